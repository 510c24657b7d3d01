// The peer with a broker: the official socket.io on Node, used as its documentation does, and each
// message through a quorum queue of RabbitMQ by amqplib. A message is acknowledged to its client when
// the broker has confirmed it, and delivered when it comes out of the queue. Nothing is decided, nothing
// stored: a session's token is the user's name and the name of the user's only room.
import { createServer } from "node:http";
import amqp from "amqplib";
import { Server } from "socket.io";

const QUEUE = "benchmark-node";
const http = createServer();
const io = new Server(http);
const positions = new Map();

const connection = await amqp.connect(process.env.BUS_URL);
const channel = await connection.createConfirmChannel();
await channel.assertQueue(QUEUE, { durable: true, arguments: { "x-queue-type": "quorum" } });
await channel.prefetch(200);
await channel.consume(QUEUE, (message) => {
  const { sender, room, client_id, text } = JSON.parse(message.content);
  const position = (positions.get(room) ?? 0) + 1;
  positions.set(room, position);
  const entry = { type: "message.sent", at: Date.now() / 1000 };
  Object.assign(entry, { room, position, sender, client_id, text });
  io.to(room).emit("entries", { room, entries: [entry] });
  channel.ack(message);
});

io.on("connection", (socket) => {
  const user = /nochat_session_\d+=([\w-]+)/.exec(socket.handshake.headers.cookie ?? "")?.[1];
  if (!user) return socket.disconnect(true);
  socket.join(user);
  socket.emit("welcome", { user });
  socket.on("message", ({ room, client_id, text }, acknowledge) => {
    const content = Buffer.from(JSON.stringify({ sender: user, room, client_id, text }));
    channel.sendToQueue(QUEUE, content, { persistent: true, messageId: client_id }, (error) =>
      acknowledge(error ? { error: String(error) } : {}),
    );
  });
});

http.listen(0, "127.0.0.1", () => console.log(`peer: http://127.0.0.1:${http.address().port}`));
