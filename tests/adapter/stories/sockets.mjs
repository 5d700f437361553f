// What one server knows of the sockets of all: fetchSockets.
import assert from "node:assert/strict";
import { freshRoom, NOBODY } from "../world.mjs";
import { story } from "./story.mjs";

const needs = ["ask"];
const idsOf = (list) => list.map(({ id }) => id).sort();

async function fetched(world, target = {}) {
  const { sockets, missing } = await world.caller.fetchSockets(target);
  assert.deepEqual(missing, NOBODY);
  return sockets;
}

export const sockets = [
  story(
    "all, each with the rooms that it is in",
    async (world) => {
      const people = await world.people();
      const [red, blue] = [freshRoom("red"), freshRoom("blue")];
      await world.join([red, blue], people[0], people[1]);
      const found = await fetched(world);
      assert.deepEqual(idsOf(found), idsOf(people));
      for (const [i, { id }] of people.entries()) {
        const expected = i < 2 ? [id, red, blue] : [id];
        assert.deepEqual(found.find((one) => one.id === id).rooms.toSorted(), expected.sort());
      }
    },
    { needs },
  ),

  story(
    "those of a room, of two rooms, except a room",
    async (world) => {
      const [ann, bob, eve] = await world.people();
      const [red, blue] = [freshRoom("red"), freshRoom("blue")];
      await world.join(red, ann, bob);
      await world.join(blue, bob, eve);
      assert.deepEqual(idsOf(await fetched(world, { to: [red] })), idsOf([ann, bob]));
      assert.deepEqual(idsOf(await fetched(world, { to: [red, blue] })), idsOf([ann, bob, eve]));
      assert.deepEqual(idsOf(await fetched(world, { except: [blue] })), idsOf([ann]));
      assert.deepEqual(idsOf(await fetched(world, { to: [red], except: [bob.id] })), idsOf([ann]));
      assert.deepEqual(await fetched(world, { to: [freshRoom()] }), []);
    },
    { needs },
  ),

  story(
    "of one namespace",
    async (world) => {
      const [customs] = [await world.people("/custom"), await world.people()];
      assert.deepEqual(idsOf(await fetched(world, { nsp: "/custom" })), idsOf(customs));
    },
    { needs },
  ),

  story(
    "of this server only",
    async (world) => {
      const people = await world.people();
      const near = people.filter((one) => world.isLocal(one));
      assert.deepEqual(idsOf(await fetched(world, { flags: { local: true } })), idsOf(near));
    },
    { needs: ["local clients"] },
  ),

  story(
    "a single one, with what is kept about it",
    async (world) => {
      const people = await world.people();
      for (const [i, { id, server, nsp }] of people.entries()) {
        const data = { name: `client ${i}`, deep: { list: [1, null, "é"] } };
        await server.setData(nsp, id, data);
        const found = await fetched(world, { to: [id] });
        assert.deepEqual(idsOf(found), [id]);
        assert.deepEqual(found[0].data, data);
        assert.deepEqual(found[0].rooms, [id]);
      }
    },
    { needs },
  ),

  story(
    "nothing is kept about them: an empty object",
    async (world) => {
      await world.people();
      const found = await fetched(world);
      assert.deepEqual(found.map(({ data }) => data), [{}, {}, {}]);
    },
    { needs },
  ),

  story(
    "with the handshake as Node tells it",
    async (world) => {
      const extraHeaders = { "X-Mixed-Case": "Kept", cookie: "a=b" };
      const options = { auth: { token: "é", deep: [1] }, query: { q: "one two" }, extraHeaders };
      const people = await world.people("/custom", options);
      const found = await fetched(world, { nsp: "/custom" });
      assert.deepEqual(idsOf(found), idsOf(people));
      for (const { handshake } of found) asNodeTellsIt(handshake);
      for (const { handshake } of found) assert.deepEqual(handshake.auth, options.auth);
    },
    { needs },
  ),

  story(
    "with the handshake of a client from another origin, without credentials",
    async (world) => {
      await world.people("/", { extraHeaders: { origin: "https://elsewhere.example" } });
      const found = await fetched(world);
      assert.deepEqual(found.map(({ handshake }) => handshake.xdomain), [true, true, true]);
      assert.deepEqual(found.map(({ handshake }) => handshake.auth), [{}, {}, {}]);
    },
    { needs },
  ),
];

const KEYS = ["address", "auth", "headers", "issued", "query", "secure", "time", "url", "xdomain"];
const DATE = /^(Sun|Mon|Tue|Wed|Thu|Fri|Sat) [A-Z][a-z]{2} \d{2} \d{4} \d{2}:\d{2}:\d{2} GMT[+-]\d{4}( \(.+\))?$/;

/** Of a client without an origin, over plain HTTP, that has just connected by websocket. */
function asNodeTellsIt(handshake) {
  assert.deepEqual(Object.keys(handshake).sort(), KEYS);
  const { headers, time, address, xdomain, secure, issued, url, query } = handshake;
  assert.deepEqual({ address, xdomain, secure }, { address: "127.0.0.1", xdomain: false, secure: false });

  assert.equal(headers["x-mixed-case"], "Kept");
  assert.equal(headers.cookie, "a=b");
  assert.equal(headers.upgrade, "websocket");
  assert.match(headers.host, /^127\.0\.0\.1:\d+$/);
  for (const [name, value] of Object.entries(headers)) {
    assert.equal(name, name.toLowerCase());
    assert.equal(typeof value, "string");
  }

  assert.ok(Number.isInteger(issued) && Math.abs(Date.now() - issued) < 60_000, `issued: ${issued}`);
  assert.match(time, DATE);
  // the text has no milliseconds, and the two are taken one after the other
  assert.ok(Math.abs(Date.parse(time) - issued) < 2000, `${time} is not ${issued}`);

  assert.equal(query.q, "one two");
  assert.deepEqual({ EIO: query.EIO, transport: query.transport }, { EIO: "4", transport: "websocket" });
  assert.match(url, /^\/socket\.io\/\?.*EIO=4/);
  assert.match(url, /q=one(%20|\+)two/);
}
