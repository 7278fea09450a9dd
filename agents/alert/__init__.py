"""Run the alert role: tell who is to be told, once, and put why on record."""
