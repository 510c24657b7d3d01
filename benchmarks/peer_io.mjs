// What the peers on Node share: the official socket.io, used as its documentation does. Nothing is decided,
// nothing stored: a session's token is the user's name and the name of the user's only room.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http);
const positions = new Map();

// Send a message to everybody in its room.
export function deliver({ sender, room, client_id, text }) {
  const position = (positions.get(room) ?? 0) + 1;
  positions.set(room, position);
  const entry = { type: "message.sent", at: Date.now() / 1000 };
  Object.assign(entry, { room, position, sender, client_id, text });
  io.to(room).emit("entries", { room, entries: [entry] });
}

// Serve users; `take` is given each message of theirs, and the function that acknowledges it.
export function serve(take) {
  io.on("connection", (socket) => {
    const user = /nochat_session_\d+=([\w-]+)/.exec(socket.handshake.headers.cookie ?? "")?.[1];
    if (!user) return socket.disconnect(true);
    socket.join(user);
    socket.emit("welcome", { user });
    socket.on("message", ({ room, client_id, text }, acknowledge) =>
      take({ sender: user, room, client_id, text }, acknowledge),
    );
  });
  http.listen(0, "127.0.0.1", () => console.log(`peer: http://127.0.0.1:${http.address().port}`));
}
