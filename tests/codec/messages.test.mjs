// Whole messages between servers. What the stock adapter and emitter publish is read by our codec and said again: in the
// same words, and understood by the stock adapter at the other end.
import assert from "node:assert/strict";
import { Emitter } from "@socket.io/redis-emitter";
import fc from "fast-check";
import { PacketType } from "socket.io-parser";
import { Codec } from "./codec.mjs";
import { fromBus, heard, join, packets, toBus } from "./node.mjs";
import { forAll } from "./property.mjs";
import { Redis, Server } from "./stock.mjs";
import { binary, json, text, value } from "./values.mjs";

const codec = new Codec();

const names = fc.uniqueArray(text, { maxLength: 3 });
// a comma would end it in a client's packet
const nsp = text.map((name) => `/${name.replaceAll(",", "")}`);
const event = fc.tuple(text, json, fc.oneof(json, binary), fc.array(binary, { maxLength: 3 }));
const flags = fc.record({ volatile: fc.constant(true), compress: fc.boolean(), timeout: fc.nat() }, { requiredKeys: [] });
const asSet = (list) => new Set(list);
const opts = fc.record({ rooms: names.map(asSet), except: names.map(asSet), flags });
const packet = (data) => ({ type: PacketType.EVENT, data });

forAll("broadcasts of the adapter", fc.tuple(nsp, event, opts), async ([nsp, data, opts]) => {
  const { adapter, redis } = new Server(nsp);
  adapter.broadcast(packet(data), opts);
  const message = await redis.next();
  const { again, ...event } = await codec.broadcast(message);
  assert.deepStrictEqual(again, message);
  assert.deepStrictEqual(heard(join(event)), fromBus(toBus(data)));
});

forAll("broadcasts of the emitter", fc.tuple(nsp, event, opts), async ([nsp, data, { rooms, except, flags }]) => {
  const redis = new Redis();
  let to = new Emitter(redis).of(nsp).to([...rooms]).except([...except]);
  if (flags.volatile) to = to.volatile;
  if ("compress" in flags) to = to.compress(flags.compress);
  to.emit(...data);
  const message = await redis.next();
  const { again, ...event } = await codec.broadcast(message);
  // its order of keys is another
  assert.deepStrictEqual(fromBus(again), fromBus(message));
  assert.deepStrictEqual(heard(join(event)), fromBus(toBus(data)));
});

forAll("broadcasts reach the clients of a Node server", fc.array(value, { maxLength: 5 }), async (args) => {
  const said = toBus(["other", { ...packet(["event", ...args]), nsp: "/" }, { rooms: [], except: [], flags: {} }]);
  const { again } = await codec.broadcast(said);
  const server = new Server("/");
  server.hearsBroadcast(again);
  const [, ...decoded] = fromBus(said)[1].data;
  assert.deepStrictEqual(heard(server.sent[0]), heard(packets(decoded)));
});

forAll("numbers as rooms become names", fc.array(fc.maxSafeInteger()), async (numbers) => {
  const { adapter, redis } = new Server("/");
  const opts = { rooms: new Set(numbers), except: new Set(numbers), flags: {} };
  adapter.broadcast(packet(["event"]), opts);
  const { again } = await codec.broadcast(await redis.next());
  adapter.addSockets(opts, numbers);
  const request = JSON.parse(await codec.request(await redis.next()));
  const expected = [...opts.rooms].map(String);
  for (const opts of [fromBus(again)[2], request.opts]) {
    assert.deepStrictEqual([opts.rooms, opts.except], [expected, expected]);
  }
  assert.deepStrictEqual(request.rooms, numbers.map(String));
}, 300);

const commands = {
  "to join": (server, { opts, rooms }) => server.addSockets(opts, rooms),
  "to leave": (server, { opts, rooms }) => server.delSockets(opts, rooms),
  "to disconnect": (server, { opts, close }) => server.disconnectSockets(opts, close),
  "to hear an event": (server, { args }) => server.serverSideEmit(["event", ...args]),
};
const ofTheEmitter = {
  "to join": (to, { rooms }) => to.socketsJoin(rooms),
  "to leave": (to, { rooms }) => to.socketsLeave(rooms),
  "to disconnect": (to, { close }) => to.disconnectSockets(close),
};
const operands = fc.record({ nsp, opts, rooms: names, close: fc.boolean(), args: fc.array(json) });

for (const [title, command] of Object.entries(commands)) {
  forAll(`commands ${title}`, operands, async (operands) => {
    const { adapter, redis } = new Server(operands.nsp);
    command(adapter, operands);
    const message = await redis.next();
    assert.equal(String(await codec.request(message)), String(message));
  }, 300);
}
for (const [title, command] of Object.entries(ofTheEmitter)) {
  forAll(`commands of the emitter ${title}`, operands, async (operands) => {
    const redis = new Redis();
    const { rooms, except } = operands.opts;
    command(new Emitter(redis).of(operands.nsp).to([...rooms]).except([...except]), operands);
    const message = await redis.next();
    assert.equal(String(await codec.request(message)), String(message));
  }, 300);
}

// Questions: through our codec to another server, and back through it with the answer.
async function ask(asking, asked) {
  asked.hearsRequest(await codec.request(await asking.redis.next()));
  await answer(asked, asking);
}
async function answer(asked, asking) {
  asking.hearsResponse(await codec.response(await asked.redis.next()));
}

forAll("which sockets there are", fc.tuple(nsp, names, json), async ([nsp, rooms, data]) => {
  const [asking, asked] = [new Server(nsp), new Server(nsp, { rooms, data })];
  const sockets = asking.adapter.fetchSockets({ rooms: new Set(), except: new Set() });
  await ask(asking, asked);
  const { id, handshake, rooms: joined } = asked.socket;
  assert.deepStrictEqual((await sockets)[1], { id, handshake, rooms: [...joined], data });
}, 300);

forAll("which rooms there are", fc.tuple(nsp, names), async ([nsp, rooms]) => {
  const [asking, asked] = [new Server(nsp), new Server(nsp, { rooms })];
  const all = asking.adapter.allRooms();
  await ask(asking, asked);
  assert.deepStrictEqual(await all, asked.socket.rooms);
}, 300);

const answers = fc.oneof(json, fc.constant(undefined));
forAll("what servers answer to an event", fc.tuple(nsp, fc.array(json), answers), async ([nsp, args, said]) => {
  const [asking, asked] = [new Server(nsp), new Server(nsp)];
  asked.nsp._onServerSideEmit = (heard) => {
    assert.deepStrictEqual(heard.slice(0, -1), ["event", ...args]);
    heard.at(-1)(said);
  };
  const all = new Promise((resolve) => {
    asking.adapter.serverSideEmit(["event", ...args, (error, all) => resolve(all)]);
  });
  await ask(asking, asked);
  assert.deepStrictEqual(await all, [said]);
}, 300);

const acknowledgements = fc.oneof(answers, binary);
forAll("what clients acknowledge", fc.tuple(nsp, event, acknowledgements), async ([nsp, data, said]) => {
  const [asking, asked] = [new Server(nsp), new Server(nsp)];
  const [counts, acks] = [[], []];
  const everybody = { rooms: new Set(), except: new Set(), flags: { timeout: 60_000 } };
  asking.adapter.broadcastWithAck(packet(data), everybody, (count) => counts.push(count), (ack) => acks.push(ack));
  await ask(asking, asked);
  assert.deepStrictEqual(counts, [1, 1]);
  assert.deepStrictEqual(heard(asked.sent[0]), fromBus(toBus(data)));
  const [acknowledge] = asked.socket.acks.values();
  acknowledge(said);
  await answer(asked, asking);
  assert.deepStrictEqual(acks, [fromBus(toBus({ said })).said]);
}, 300);
