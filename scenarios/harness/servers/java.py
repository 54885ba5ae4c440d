"""Servers that come as jars: fetched with Maven, run with Java."""

from __future__ import annotations

from pathlib import Path

from scenarios.harness.servers.common import Missing, fetched, need, run

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
JAVA_LEAST = 17

POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>server</artifactId><version>1</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""
DEPENDENCY = """
    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
"""


def java() -> str:
    return need("java", f"install a JDK {JAVA_LEAST}, for example Debian's openjdk-17-jdk-headless")


async def jars(name: str, *artifacts: str) -> Path:
    """The folder with these artifacts (group:name:version) and all that they need to run."""
    java()

    async def fetch(folder: Path) -> None:
        maven = need("mvn", "install Maven, for example Debian's maven")
        dependencies = "".join(DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)
        pom = folder / "pom.xml"
        pom.write_text(POM.format(dependencies=dependencies))
        libs = folder / "libs"
        what = ("-DincludeScope=runtime", f"-DoutputDirectory={libs}")
        await run(maven, "-q", "-B", "-f", pom, COPY, *what)
        if not any(libs.glob("*.jar")):
            raise Missing(f"Maven gave no jars for {' '.join(artifacts)}")

    return await fetched(name, fetch) / "libs"
