// The peer: the official socket.io on Node, used as its documentation does. One process, no broker,
// nothing stored: a session's token is the user's name and the name of the user's only room.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http);
const positions = new Map();

io.on("connection", (socket) => {
  const user = /nochat_session_\d+=([\w-]+)/.exec(socket.handshake.headers.cookie ?? "")?.[1];
  if (!user) return socket.disconnect(true);
  socket.join(user);
  socket.emit("welcome", { user });
  socket.on("message", ({ room, client_id, text }, acknowledge) => {
    const position = (positions.get(room) ?? 0) + 1;
    positions.set(room, position);
    const entry = { type: "message.sent", at: Date.now() / 1000 };
    Object.assign(entry, { room, position, sender: user, client_id, text });
    io.to(room).emit("entries", { room, entries: [entry] });
    acknowledge({});
  });
});

http.listen(0, "127.0.0.1", () => console.log(`peer: http://127.0.0.1:${http.address().port}`));
