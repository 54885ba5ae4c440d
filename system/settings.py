"""The shop's settings: those of the kit, and where its stores are unless it is said.

`.env.example` explains every setting; a test holds it against the kit's.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from system.kit.settings import Dsn, KitSettings, MongoUri, load


class Settings(KitSettings):
    mysql_dsn: Dsn = Field(
        default=SecretStr("ecommerce:ecommerce@tcp(localhost:3306)/ecommerce?parseTime=true"),
        validation_alias="MYSQL_DSN",
    )
    mongo_uri: MongoUri = Field(
        default=SecretStr("mongodb://admin:admin@localhost:27017/ecommerce?authSource=admin"),
        validation_alias="MONGO_URI",
    )


def load_settings(env_file: Path | None = Path(".env")) -> Settings:
    """Read the environment and `.env`, if there is one. Raises BadSettings."""
    return load(Settings, env_file)
