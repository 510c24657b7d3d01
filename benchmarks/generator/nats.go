package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// The protocol of NATS: https://docs.nats.io/reference/reference-protocols/nats-protocol. A frame
// holds any number of lines, and a message may be cut anywhere, but nats-server sends what is short
// in one frame. What is published is acknowledged by its way back to who published it.

func subscription(name string) string {
	return fmt.Sprintf("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB %s 1\r\nPING\r\n", name)
}

func appendPublished(output []byte, name string, number int) []byte {
	text := appendText(make([]byte, 0, 128), number)
	start := len(output)
	output = append(output, 0, 0, 0, 0, 0, 0, 0, 0)
	output = append(output, "PUB "...)
	output = append(output, name...)
	output = append(output, ' ')
	output = strconv.AppendInt(output, int64(len(text)), 10)
	output = append(output, "\r\n"...)
	output = append(output, text...)
	output = append(output, "\r\n"...)
	if length := len(output) - start - 8; length < 126 {
		// The short header ends where the payload begins: what is before it is taken back.
		copy(output[start:], frame(output[start+8:]))
		return output[:start+6+length]
	}
	putLongHeader(output[start:])
	return output
}

func (client *client) published(lines []byte) error {
	if client.waits == welcome && bytes.Contains(lines, []byte("PONG\r\n")) {
		client.welcomed()
	}
	if bytes.HasPrefix(lines, []byte("PING\r\n")) || bytes.Contains(lines, []byte("\nPING\r\n")) {
		return client.write([]byte("PONG\r\n"))
	}
	if bytes.HasPrefix(lines, []byte("-ERR")) {
		return fmt.Errorf("refused: %.200s", lines)
	}
	client.load.heard = true
	before := client.room.delivered
	err := client.load.deliveries(client.room, lines)
	if client == client.room.clients[0] {
		client.room.acknowledged += client.room.delivered - before
	}
	return err
}
