// The peer with a broker: each message goes through a quorum queue of RabbitMQ by amqplib. It is
// acknowledged to its client when the broker has confirmed it, and delivered when it comes out of the queue.
import amqp from "amqplib";
import { deliver, serve } from "./peer_io.mjs";

const QUEUE = "benchmark-node";
const connection = await amqp.connect(process.env.BUS_URL);
const channel = await connection.createConfirmChannel();
await channel.assertQueue(QUEUE, { durable: true, arguments: { "x-queue-type": "quorum" } });
await channel.prefetch(200);
await channel.consume(QUEUE, (message) => {
  deliver(JSON.parse(message.content));
  channel.ack(message);
});

serve((message, acknowledge) => {
  const content = Buffer.from(JSON.stringify(message));
  const options = { persistent: true, messageId: message.client_id };
  channel.sendToQueue(QUEUE, content, options, (error) =>
    acknowledge(error ? { error: String(error) } : {}),
  );
});
