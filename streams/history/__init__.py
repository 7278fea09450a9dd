"""Make of records what is kept in the tables of history."""
