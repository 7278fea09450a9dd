"""Run a broker with SASL_SSL, SCRAM and ACLs, and give its users exactly what a table lists."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization

from agents.runtime.settings import Settings
from stack.kafka import LocalKafka
from stack.net import LOOPBACK, free_port

PASSWORD = "correct horse"
NOWHERE = "broker.invalid:9092"
OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


class Right(NamedTuple):
    """What a user may do: an operation on a topic, group or transactional id without the prefix."""

    operation: str
    kind: str
    name: str
    """With a star at its end: all that begin so."""

    def binding(self, user: str, prefix: str) -> AclBinding:
        """Return the ACL that grants it."""
        starred = self.name.endswith("*")
        return AclBinding(
            ResourceType[self.kind],
            prefix + self.name.rstrip("*"),
            ResourcePatternType.PREFIXED if starred else ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation[self.operation],
            AclPermissionType.ALLOW,
        )


def documented() -> dict[str, list[Right]]:
    """Return the rights of each role and command, as docs/operating.md lists them."""
    section = OPERATING.read_text().split("\n## Rights\n")[1].split("\n## ")[0]
    table: dict[str, list[Right]] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            rights = [right for cell in cells[1:] for right in _rights(cell)]
            for who in re.findall(r"`([^`]+)`", cells[0]):
                table[who] = rights
    return table


def _rights(cell: str) -> Iterable[Right]:
    """Return the rights of such as "READ `operations` `partials`; READ the group `measure`"."""
    for part in filter(None, cell.split(";")):
        operation = re.match(r"\s*([A-Z_]+)", part)
        if operation is None:
            continue
        kind = next((k for k in ("group", "transactional id") if f"the {k} " in part), "topic")
        for name in re.findall(r"`([^`]+)`", part):
            yield Right(operation[1], kind.upper().replace(" ", "_"), name)


class SecuredKafka:
    """A broker with three doors, one of which leads nowhere.

    SASL_SSL is for users with rights, plain text for its administrator; the third advertises a
    name that nobody has.
    """

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert(LOOPBACK)
        key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ) + b"".join(each.bytes() for each in certificate.cert_chain_pems)
        (folder / "broker.pem").write_bytes(pem)
        plain, secured, controller, misleading = (free_port() for _ in range(4))
        self.bootstrap = f"{LOOPBACK}:{secured}"
        self.misleading = f"{LOOPBACK}:{misleading}"
        doors = f"PLAINTEXT://{LOOPBACK}:{plain},SASL_SSL://{self.bootstrap}"
        protocols = (
            "PLAINTEXT:PLAINTEXT",
            "SASL_SSL:SASL_SSL",
            "CONTROLLER:PLAINTEXT",
            "MISLEADING:PLAINTEXT",
        )
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        self.kafka = LocalKafka(
            folder / "kafka",
            port=plain,
            settings={
                "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
                "listeners": (
                    f"{doors},MISLEADING://{self.misleading},CONTROLLER://{LOOPBACK}:{controller}"
                ),
                "advertised.listeners": f"{doors},MISLEADING://{NOWHERE}",
                "listener.security.protocol.map": ",".join(protocols),
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(folder / "broker.pem"),
                "authorizer.class.name": (
                    "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
                ),
                "super.users": "User:ANONYMOUS",
            },
        )

    def __enter__(self) -> Self:
        self.kafka.start()
        self.admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        return self

    def __exit__(self, *_: object) -> None:
        self.kafka.stop()

    def add(self, *users: str) -> None:
        """Let users in; they may do nothing yet."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upserts = [UserScramCredentialUpsertion(user, info, PASSWORD.encode()) for user in users]
        for done in self.admin.alter_user_scram_credentials(upserts).values():
            done.result()

    def grant(self, users: Mapping[str, tuple[Iterable[Right], str]]) -> None:
        """Let each user do this, with names under a prefix."""
        bindings = [
            right.binding(user, prefix)
            for user, (rights, prefix) in users.items()
            for right in rights
        ]
        for made in self.admin.create_acls(bindings).values():
            made.result()

    def withdraw(self, user: str, right: Right, prefix: str) -> None:
        """Let a user do this no more."""
        binding = right.binding(user, prefix)
        gone = AclBindingFilter(
            binding.restype,
            binding.name,
            binding.resource_pattern_type,
            binding.principal,
            binding.host,
            binding.operation,
            binding.permission_type,
        )
        for done in self.admin.delete_acls([gone]).values():
            done.result()

    def environment(self, user: str, prefix: str) -> dict[str, str]:
        """Return the settings with which opwatch reaches the broker as a user."""
        return {
            "OPWATCH_KAFKA_BOOTSTRAP": self.bootstrap,
            "OPWATCH_KAFKA_TLS": "true",
            "OPWATCH_KAFKA_CA_FILE": str(self.ca_file),
            "OPWATCH_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "OPWATCH_KAFKA_USERNAME": user,
            "OPWATCH_KAFKA_PASSWORD": PASSWORD,
            "OPWATCH_TOPIC_PREFIX": prefix,
        }

    def administrator(self, prefix: str, partitions: int) -> Settings:
        """Return the settings of one who may do everything."""
        return Settings(
            _env_file=None,
            kafka_bootstrap=self.kafka.bootstrap,
            topic_prefix=prefix,
            partitions=partitions,
        )
