"""Try a message again after growing pauses; give up when they are used up."""

from __future__ import annotations

from collections.abc import Sequence

from system.kit.delivery.failures import Failure, GivenUp
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.outbox import ids_of
from system.kit.errors import Fenced, LockWaitTimeout, Poison, Stopping, TimedOut, Unavailable
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.metrics import Metrics
from system.kit.ports.work import Probe
from system.kit.ports.world import World


def retried(
    delays_s: Sequence[float],
    probe: Probe,
    *,
    consumer: str,
    lifespan: Lifespan,
    world: World,
    metrics: Metrics,
    logger: Logger,
) -> Middleware:
    """Acts on single messages; larger batches pass. Raises GivenUp with all that is known.

    Attempts are kept by the message's place, so that waiting for a store in between does not
    reset them, and parking can be repeated without trying once more. A lane has one chain and one
    message in hand, so one place is enough; a new owner of the partition counts anew.
    """

    def around(step: Step) -> Step:
        place: tuple[object, int] | None = None
        failure: Failure | None = None

        async def attempt(batch: Batch) -> Exception | None:
            try:
                await step(batch)
            except (Fenced, Stopping):
                raise
            except (TimedOut, LockWaitTimeout) as error:
                await probe()  # raises Unavailable where it was the store: that blames no message
                return error
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted and told
                return error
            return None

        async def retrying(batch: Batch) -> None:
            nonlocal place, failure
            if not batch.single or not batch.waits:  # `bisected` comes back to what fails in haste
                return await step(batch)
            record = batch.records[0]
            if place != (here := (record.partition, record.offset)):
                place, failure = here, None
            while failure is None or not hopeless(failure):
                error = await attempt(batch)
                if error is None:
                    return None
                failure = Failure.after(failure, error, world.now())
                if hopeless(failure):
                    break
                pause_s = delays_s[failure.attempts - 1]
                metrics.retry(consumer, record.partition.topic)
                logger.warning(
                    "to be retried",
                    topic=record.partition.topic,
                    partition=record.partition.number,
                    offset=record.offset,
                    attempt=failure.attempts,
                    error=failure.text,
                    pause_s=pause_s,
                    **ids_of(record.message),
                )
                await lifespan.sleep(pause_s)
            raise GivenUp(failure) from failure.error

        def hopeless(failure: Failure) -> bool:
            return isinstance(failure.error, Poison) or failure.attempts > len(delays_s)

        return retrying

    return around
