"""What an app in Python does with the official client, against the app in tests/apps/features.

Started by main.ts with the deployment's URL and the admin key. Prints a line for each check, and
"restart" when the server shall be killed and come back (main.ts answers with a line), and "end".
"""

import asyncio
import math
import struct
import sys
import uuid

from convex import ConvexClient, ConvexError, ConvexInt64
from convex.http_client import ConvexHttpClient

URL, ADMIN_KEY = sys.argv[1:]

VALUES = [
    None, True, False, 0.0, -0.0, 1.5, 1e300, math.inf, -math.inf, math.nan,
    ConvexInt64(-(2**63)), ConvexInt64(2**63 - 1), ConvexInt64(0),
    "", "h\u00e9 \U0001f600 \0", b"", b"\x00\xff\x80",
    [], [1.0, [None, "x"]], {}, {"a": {"b": [ConvexInt64(5), b"x"]}, "": 2.0, "a b": 3.0},
]


def check(name, work):
    """Runs a check and prints how it ended."""
    try:
        work()
    except BaseException as error:  # the client's own panics are no `Exception`s
        print(f"FAILED {name}: {type(error).__name__}: {error!r}", flush=True)
    else:
        print(f"ok {name}", flush=True)


def ask(request):
    """Asks main.ts for something and waits until it is done."""
    print(request, flush=True)
    sys.stdin.readline()


def same(actual, expected):
    """Compares two values with their types, and floats bit by bit."""
    assert type(actual) is type(expected), (actual, expected)
    if isinstance(expected, float):
        assert struct.pack("<d", actual) == struct.pack("<d", expected), (actual, expected)
    elif isinstance(expected, list):
        assert len(actual) == len(expected), (actual, expected)
        for one, other in zip(actual, expected):
            same(one, other)
    elif isinstance(expected, dict):
        assert actual.keys() == expected.keys(), (actual, expected)
        for name in expected:
            same(actual[name], expected[name])
    else:
        assert actual == expected, (actual, expected)


def error_of(work):
    """The error that a call ends with."""
    try:
        result = work()
    except Exception as error:
        return error
    raise AssertionError(f"no error but {result!r}")


def functions(client, name):
    assert client.mutation("counters:add", {"name": name, "amount": 2}) == 2
    assert client.query("counters:get", {"name": name}) == 2
    assert client.action("actions:addTwice", {"name": name}) == [2, 4]


def values(client):
    for value in VALUES:
        same(client.query("values:echo", {"value": value}), value)
        same(client.mutation("values:store", {"value": value}), value)


def errors(client, limit):
    error = error_of(lambda: client.mutation("errors:withData"))
    assert type(error) is ConvexError, error
    assert error.data == {"code": "TooMuch", "limit": limit}, error.data
    error = error_of(lambda: client.query("errors:plain"))
    assert type(error) is not ConvexError and "Uncaught Error: boom" in str(error), error
    error = error_of(lambda: client.action("no:such"))
    assert "Could not find public function for 'no:such'." in str(error), error
    error = error_of(lambda: client.query("errors:validated", {"amount": "1"}))
    assert "ArgumentValidationError" in str(error), error


def live(client, other):
    name = str(uuid.uuid4())
    results = client.subscribe("counters:get", {"name": name})
    for expected in [0, 1, 2]:
        assert next(results) == expected
        other.mutation("counters:add", {"name": name, "amount": 1})
    results.unsubscribe()


def live_error(client, other):
    position = {"list": str(uuid.uuid4()), "position": 1}
    results = client.subscribe("errors:needsNotes", {"list": position["list"]})
    assert error_of(lambda: next(results)).data == "empty"
    other.mutation("notes:add", {**position, "text": "here"})
    assert next(results) == "here"
    results.unsubscribe()


def live_together(client):
    """All queries of a client in one step: the sum never lags behind its part."""
    name = str(uuid.uuid4())
    one = client.subscribe("counters:get", {"name": name})
    total = client.subscribe("counters:total")
    before = next(total) - next(one)

    async def watch():
        async for results in client.watch_all():
            if one.id not in results or total.id not in results:
                continue
            seen = results[one.id]
            assert results[total.id] - seen == before, results
            if seen == 5:
                return

    def write():
        for _ in range(5):
            client.mutation("counters:add", {"name": name, "amount": 1})

    async def both():
        await asyncio.gather(watch(), asyncio.to_thread(write))

    asyncio.run(asyncio.wait_for(both(), 60))


def administrator():
    client = ConvexClient(URL)
    assert "Could not find" in str(error_of(lambda: client.query("counters:secret")))
    client.set_admin_auth(ADMIN_KEY)
    assert client.query("counters:secret") == "internal"
    client.clear_auth()
    assert "Could not find" in str(error_of(lambda: client.query("counters:secret")))


def comes_back(client):
    name = str(uuid.uuid4())
    results = client.subscribe("counters:get", {"name": name})
    assert next(results) == 0
    client.mutation("counters:add", {"name": name, "amount": 1})
    assert next(results) == 1
    ask("restart")
    assert ConvexHttpClient(URL).mutation("counters:add", {"name": name, "amount": 1}) == 2
    while next(results) != 2:
        pass
    assert client.mutation("counters:add", {"name": name, "amount": 1}) == 3
    assert next(results) == 3


client = ConvexClient(URL)
other = ConvexClient(URL)
http = ConvexHttpClient(URL)
check("queries, mutations and actions", lambda: functions(client, str(uuid.uuid4())))
check("values of every type", lambda: values(client))
check("errors and their data", lambda: errors(client, ConvexInt64(3)))
check("live results", lambda: live(client, other))
check("a live error that becomes a result", lambda: live_error(client, other))
check("all live results in one step", lambda: live_together(client))
check("the admin key", administrator)
check("a killed server", lambda: comes_back(client))
check("HTTP: queries, mutations and actions", lambda: functions(http, str(uuid.uuid4())))
check("HTTP: values of every type", lambda: values(http))
# This client leaves the data of errors encoded.
check("HTTP: errors and their data", lambda: errors(http, {"$integer": "AwAAAAAAAAA="}))
print("end", flush=True)
