/**
 * How to take part in the chat over AMQP: what the AsyncAPI document (`nochat asyncapi`) says, in
 * JavaScript.
 */

import { randomBytes } from "node:crypto";
import amqp from "amqplib";

const REPLIES = "amq.rabbitmq.reply-to"; // RabbitMQ's "direct reply-to": no queue per asker
const PATIENCE = 5_000; // milliseconds to wait for a connection or a reply

/** The arguments of every durable queue. */
export const DURABLE = {
  "x-queue-type": "quorum",
  "x-delivery-limit": 1_000_000_000, // a bot that is restarted often says nothing against a message
  "x-dead-letter-exchange": "nochat.dead",
  "x-dead-letter-strategy": "at-least-once",
  "x-overflow": "reject-publish",
};

export const newId = () => randomBytes(16).toString("hex");

/** A command or a request; it carries on the correlation of the event that caused it. */
export function envelope(type, fields, cause) {
  const correlation_id = cause?.correlation_id ?? newId();
  return { type, id: newId(), correlation_id, at: Date.now() / 1000, ...fields };
}

/** The routing key of a room's commands: the rooms are spread over that many queues. */
export const shardOf = (room, shards) => `controller.${crc32(Buffer.from(room)) % shards}`;

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A connection with one channel, in confirm mode. */
export class Link {
  #refused = new Map(); // what a message in flight calls when no queue takes it
  #replies = new Map(); // what a request waits for
  #published;

  /**
   * @param url of RabbitMQ.
   * @param name that RabbitMQ's tools show.
   * @param published is told of each message that leaves.
   */
  static async open(url, name, published) {
    const link = new Link();
    link.#published = published;
    link.name = name;
    const options = { clientProperties: { connection_name: name }, timeout: PATIENCE };
    link.connection = await amqp.connect(url, options);
    link.closed = new Promise((resolve) => link.connection.on("close", resolve));
    link.connection.on("error", () => {}); // `close` follows
    link.channel = await link.connection.createConfirmChannel();
    link.channel.on("error", () => {});
    link.channel.on("close", () => link.close());
    link.channel.on("return", ({ fields, properties }) => {
      const error = new Error(`no queue takes ${fields.routingKey}; is the controller running?`);
      link.#refused.get(properties.messageId)?.(error);
    });
    const take = ({ content }) => {
      for (const reply of JSON.parse(content)) link.#replies.get(reply.in_reply_to)?.(reply);
    };
    await link.channel.consume(REPLIES, take, { noAck: true });
    return link;
  }

  close() {
    return this.connection.close().catch(() => {}); // it is closed already
  }

  /** Publish one message; resolves when the broker has confirmed it. */
  publish(exchange, key, message, options) {
    this.#published(message);
    const properties = {
      contentType: "application/json",
      messageId: message.id,
      correlationId: message.correlation_id,
      type: message.type,
      timestamp: Math.floor(message.at),
      appId: this.name,
      mandatory: true,
      ...options,
    };
    return new Promise((resolve, reject) => {
      // The broker gives back what no queue takes, and confirms it all the same.
      this.#refused.set(message.id, reject);
      const body = Buffer.from(JSON.stringify([message]));
      this.channel.publish(exchange, key, body, properties, (error) => {
        this.#refused.delete(message.id);
        error ? reject(error) : resolve();
      });
    });
  }

  /** Publish a command: on disk before it is confirmed. */
  command(message, shards) {
    const key = shardOf(message.room, shards);
    return this.publish("nochat.commands", key, message, { persistent: true });
  }

  /** Publish an event that is worth no disk; nobody need hear it. */
  event(message) {
    return this.publish("nochat.events", message.type, message, { mandatory: false });
  }

  /** Ask a service; resolves to its reply, which may be `failed`, with a code and a reason. */
  async request(queue, message) {
    const reply = new Promise((resolve, reject) => {
      this.#replies.set(message.id, resolve);
      const late = new Error(`no answer to ${message.type}; who answers at ${queue}?`);
      setTimeout(reject, PATIENCE, late).unref();
    });
    const options = { replyTo: REPLIES, expiration: PATIENCE };
    const published = this.publish("nochat.requests", queue, message, options);
    const [told] = await Promise.all([reply, published]);
    this.#replies.delete(message.id);
    return told;
  }
}
