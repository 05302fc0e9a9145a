"""The breaker against a model that keeps every call in a list, under random histories."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from pynomaly_resilience import BreakerPolicy, CircuitBreaker, CircuitOpen, Permit
from pynomaly_resilience.testing import FakeClock

POLICY = BreakerPolicy(
    failure_rate=0.5,
    min_calls=4,
    window_s=10.0,
    consecutive_failures=5,
    open_s=2.0,
    open_max_s=5.0,
    jitter=0.0,
    probes=2,
    probe_lease_s=3.0,
)
Held = tuple[Permit, int]  # with the model's epoch


class Model:
    """closed: calls = [(second, failed)]; open: until; half-open: leases out, successes in."""

    def __init__(self) -> None:
        self.epoch = 0
        self.openings = 0
        self.enter("closed", 0.0)

    def enter(self, state: str, until_s: float) -> None:
        self.state, self.until_s = state, until_s
        self.epoch += 1
        self.calls: list[tuple[int, bool]] = []
        self.n_out = self.n_passed = 0

    def trip(self, now_s: float) -> None:
        self.enter("open", now_s + min(5.0, 2.0 * 2**self.openings))
        self.openings += 1

    def admits(self, now_s: float) -> bool:
        if self.state == "closed":
            return True
        exhausted = self.state == "open" or self.n_out + self.n_passed == POLICY.probes
        if exhausted and now_s >= self.until_s:
            self.enter("half_open", now_s + 3.0)
        elif exhausted:
            return False
        self.n_out += 1
        return True

    def report(self, epoch: int, report: str, now_s: float) -> None:
        if epoch != self.epoch:
            return
        if self.state == "half_open":
            self.n_out -= 1
            self.n_passed += report == "success"
            if report == "failure":
                self.trip(now_s)
            elif self.n_passed == POLICY.probes:
                self.openings = 0
                self.enter("closed", 0.0)
        elif report != "release":
            self.calls.append((int(now_s), report == "failure"))
            window = [failed for second, failed in self.calls if second > int(now_s) - 10]
            in_a_row = [failed for _, failed in self.calls[-5:]] == [True] * 5
            too_many = len(window) >= POLICY.min_calls and sum(window) * 2 >= len(window)
            if report == "failure" and (in_a_row or too_many):
                self.trip(now_s)


class BreakerMachine(RuleBasedStateMachine):
    permits: Bundle[Held | None] = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.breaker = CircuitBreaker(POLICY, clock=self.clock)
        self.model = Model()

    @rule(target=permits)
    def acquire(self) -> Held | None:
        admitted = self.model.admits(self.clock())
        try:
            permit = self.breaker.acquire()
        except CircuitOpen:
            assert not admitted
            return None
        assert admitted
        return permit, self.model.epoch

    @rule(held=consumes(permits), report=st.sampled_from(["success", "failure", "failure", "release"]))
    def report(self, held: Held | None, report: str) -> None:
        if held is not None:
            permit, epoch = held
            self.model.report(epoch, report, self.clock())
            getattr(permit, report)()

    @rule(n_failures=st.integers(1, 6))
    def fail_in_a_row(self, n_failures: int) -> None:
        for _ in range(n_failures):
            self.report(self.acquire(), "failure")

    @rule(by_s=st.sampled_from([0.25, 1.0, 2.0, 3.0, 5.0, 9.75, 60.0]))
    def wait(self, by_s: float) -> None:
        self.clock.advance(by_s)

    @rule(opens=st.booleans())
    def by_hand(self, opens: bool) -> None:
        if opens:
            self.breaker.open()
            self.model.enter("open", float("inf"))
        else:
            self.breaker.close()
            self.model.openings = 0
            self.model.enter("closed", 0.0)

    @invariant()
    def states_agree(self) -> None:
        assert self.breaker.state == self.model.state
        if self.model.state == "open":
            left_s = max(0.0, min(self.model.until_s - self.clock(), 5.0))
            assert self.breaker.retry_after_s == left_s


TestBreakerAgainstModel = BreakerMachine.TestCase
TestBreakerAgainstModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
