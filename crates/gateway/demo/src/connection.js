// One socket in /chat: its state, its transport and the node behind it, as the page shows them.
import { io } from "socket.io-client";
import { element } from "./page.js";

const ANSWER_WITHIN = 10_000;

/** Connects on `socket.connect()`; `transport` limits it to one transport. `onTransport` hears every change. */
export function createConnection({ transport, onTransport }) {
  const socket = io("/chat", {
    autoConnect: false,
    ...(transport && { transports: [transport] }),
  });
  const manager = socket.io;

  manager.on("open", () => {
    const { engine } = manager;
    const show = () => {
      const { name } = engine.transport;
      element("transport").textContent = name;
      element("transport").dataset.transport = name;
      onTransport(name);
    };
    engine.on("upgrade", show);
    show();
  });
  manager.on("reconnect_attempt", (attempt) => showState("connecting", `reconnecting (${attempt})`));

  socket.on("connect", () => showState("connected", "connected"));
  socket.on("disconnect", (reason) => {
    element("node").textContent = "–";
    // The server's own "no" is final for the client library: only a person can ask again.
    if (socket.active) showState("connecting", "reconnecting");
    else showState("disconnected", reason === "io server disconnect" ? "closed by the server" : "offline");
  });
  socket.on("connect_error", (error) => {
    if (socket.active) showState("connecting", "reconnecting");
    else showState("disconnected", `refused: ${error.message}`);
  });
  element("reconnect").addEventListener("click", () => {
    showState("connecting", "connecting");
    socket.connect();
  });

  return socket;
}

/** The server's answer to an event: `{ok: true, ...}` or a refusal; silence becomes a refusal without a code. */
export async function ask(socket, event, ...args) {
  try {
    return await socket.timeout(ANSWER_WITHIN).emitWithAck(event, ...args);
  } catch {
    return { ok: false, message: "No answer came: it may not have arrived." };
  }
}

function showState(state, text) {
  const status = element("status");
  status.dataset.state = state;
  status.textContent = text;
  element("reconnect").hidden = state !== "disconnected";
}
