"""Read and write Kafka: batches, offsets, tables, topics, the producer."""
