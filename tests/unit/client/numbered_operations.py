"""Make operations that are known by their numbers."""

from tests.unit.client.fakes import FakeKafka


def one(number: int = 0, message: str = "") -> dict:
    return {"operation": "a", "number": number, "error_message": message}


def numbers(kafka: FakeKafka) -> list[int]:
    return [operation["number"] for operation in kafka.operations]
