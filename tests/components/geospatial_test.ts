// @convex-dev/geospatial in a pushed app; the S2 library inside it is WebAssembly.
import assert from "node:assert/strict";
import { httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";

const APP = "tests/apps/components";
const EARTH_RADIUS_M = 6_371_010;

interface Place {
  readonly name: string;
  readonly at: { readonly latitude: number; readonly longitude: number };
  readonly category: string;
  readonly price: number;
}

const MUSEUM: Place = {
  name: "Natural History",
  at: { latitude: 40.7813, longitude: -73.9737 },
  category: "museum",
  price: 28,
};
const PLACES: readonly Place[] = [
  MUSEUM,
  {
    name: "Metropolitan",
    at: { latitude: 40.7794, longitude: -73.9632 },
    category: "museum",
    price: 30,
  },
  { name: "Diner", at: { latitude: 40.7859, longitude: -73.9725 }, category: "food", price: 12 },
  { name: "Bakery", at: { latitude: 40.7768, longitude: -73.9812 }, category: "food", price: 5 },
  {
    name: "Brooklyn Museum",
    at: { latitude: 40.6712, longitude: -73.9636 },
    category: "museum",
    price: 16,
  },
  { name: "Louvre", at: { latitude: 48.8606, longitude: 2.3376 }, category: "museum", price: 22 },
];
const UPPER_WEST = { west: -73.99, south: 40.77, east: -73.96, north: 40.79 };
const NEW_YORK = { west: -74.1, south: 40.6, east: -73.9, north: 40.8 };

/** The distance on the sphere by the haversine formula. */
function distanceM(a: Place["at"], b: Place["at"]): number {
  const radians = (degrees: number) => degrees * Math.PI / 180;
  const [dLat, dLon] = [radians(b.latitude - a.latitude), radians(b.longitude - a.longitude)];
  const h = Math.sin(dLat / 2) ** 2 +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.sqrt(h));
}

Deno.test("geospatial: points are found by rectangle, filters and distance, until they are removed", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  for (const place of PLACES) await client.mutation(mutation("places:add"), { ...place });
  const within = (rectangle: unknown, more: Record<string, unknown> = {}) =>
    client.query(query("places:within"), { rectangle, ...more });
  const names = async (rectangle: unknown, more?: Record<string, unknown>) =>
    (await within(rectangle, more)).names;

  assert.deepEqual(await client.query(query("places:get"), { name: MUSEUM.name }), {
    key: MUSEUM.name,
    coordinates: MUSEUM.at,
    filterKeys: { category: "museum" },
    sortKey: 28,
  });
  // Ascending in the sort key, which is the price.
  const upperWest = ["Bakery", "Diner", "Natural History", "Metropolitan"];
  assert.deepEqual(await names(UPPER_WEST), upperWest);
  assert.deepEqual(await names(NEW_YORK, { category: "museum" }), [
    "Brooklyn Museum",
    "Natural History",
    "Metropolitan",
  ]);
  assert.deepEqual(
    await names(UPPER_WEST, { categories: ["food", "park"] }),
    ["Bakery", "Diner"],
  );
  assert.deepEqual(
    await names(NEW_YORK, { prices: { from: 12, below: 28 } }),
    ["Diner", "Brooklyn Museum"],
  );

  const pages: string[] = [];
  for (let cursor: string | undefined, rounds = 0;; rounds++) {
    assert.ok(rounds < 10, `${pages} and no end`);
    const page = await within(NEW_YORK, { limit: 2, ...(cursor === undefined ? {} : { cursor }) });
    pages.push(...page.names);
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  assert.deepEqual(pages, [
    "Bakery",
    "Diner",
    "Brooklyn Museum",
    "Natural History",
    "Metropolitan",
  ]);

  const nearest = (more: Record<string, unknown>) =>
    client.query(query("places:nearest"), { point: MUSEUM.at, limit: 3, ...more });
  const found = await nearest({});
  assert.deepEqual(found.map(({ name }: Place) => name), ["Natural History", "Diner", "Bakery"]);
  for (const { name, distance } of found) {
    const expected = distanceM(MUSEUM.at, PLACES.find((place) => place.name === name)!.at);
    assert.ok(Math.abs(distance - expected) <= 1, `${name}: ${distance} m, not ${expected}`);
  }
  assert.deepEqual(
    (await nearest({ category: "museum", maxDistance: 5000 })).map(({ name }: Place) => name),
    ["Natural History", "Metropolitan"],
  );
  assert.ok((await nearest({ limit: 10 })).some(({ name }: Place) => name === "Louvre"));

  assert.equal(await client.mutation(mutation("places:remove"), { name: "Diner" }), true);
  assert.equal(await client.mutation(mutation("places:remove"), { name: "Diner" }), false);
  assert.equal(await client.query(query("places:get"), { name: "Diner" }), null);
  assert.deepEqual(await names(UPPER_WEST), ["Bakery", "Natural History", "Metropolitan"]);
});

Deno.test("geospatial: a live query of a rectangle hears of points in it", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const upperWest = client.watch("places:within", { rectangle: UPPER_WEST });
  const names = (result: unknown) => (result as { names: string[] }).names;
  await upperWest.until((result) => names(result).length === 0);
  for (const place of PLACES) await client.mutation(mutation("places:add"), { ...place });
  await upperWest.until((result) => names(result).length === 4);
});
