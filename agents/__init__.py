"""Run the decisions of `streams` on Kafka: Faust agents, the command line, what they share."""
