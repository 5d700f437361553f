// A Node Socket.IO server with the classic Redis adapter in the cluster's Redis: the neighbour that a team already
// has. It knows the same few events as the gateway, so that clients of both can be in one room.
import { createServer } from "node:http";
import { once } from "node:events";
import { Server } from "socket.io";
import { createAdapter } from "@socket.io/redis-adapter";
import { connect } from "./client.mjs";
import { redisOf, subscribed } from "./redis.mjs";

const NAMESPACES = ["/", "/chat", "/public"];

export async function nodeServer(cluster) {
  const [pub, sub] = await Promise.all([redisOf(cluster), redisOf(cluster)]);
  const http = createServer();
  const io = new Server(http, { adapter: createAdapter(pub, sub), maxHttpBufferSize: 1e6 });
  for (const namespace of NAMESPACES) io.of(namespace).on("connection", serve);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  for (const namespace of NAMESPACES) await subscribed(pub, namespace, cluster.nodes.length + 1);

  cluster.accompaniedBy(() => io.close());

  const url = `http://127.0.0.1:${http.address().port}`;
  return {
    io,
    chat: io.of("/chat"),
    connect: async (options) => cluster.keep(await connect(url, options)),
  };
}

function serve(socket) {
  socket.on("join", async (room, ack) => {
    await socket.join(room);
    ack({ ok: true, room });
  });
  socket.on("leave", async (room, ack) => {
    await socket.leave(room);
    ack({ ok: true, room });
  });
  socket.on("whoami", (ack) => ack({ ok: true, id: socket.id, rooms: [...socket.rooms] }));
  socket.on("message", (room, ...args) => {
    const ack = args.pop();
    const at = Date.now();
    socket.to(room).emit("message", ...args, { room, from: socket.id, at });
    ack({ ok: true, at });
  });
}
