package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"
)

// What a client waits for.
const (
	upgrade = iota
	welcome
	nothing
)

// Client is one socket.
type client struct {
	load   *load
	room   *room
	socket int
	waits  int
	began  time.Time
	rest   []byte // the beginning of a frame
}

var pong = frame([]byte("3"))

func (load *load) connect(room *room, port int, cookie string) error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	client := &client{load: load, room: room, socket: socket, began: time.Now()}
	address := &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	if err := syscall.Connect(socket, address); err != nil {
		return err
	}
	syscall.SetsockoptInt(socket, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(socket)}
	if err := syscall.EpollCtl(load.epoll, syscall.EPOLL_CTL_ADD, socket, &event); err != nil {
		return err
	}
	load.clients[int32(socket)] = client
	room.clients = append(room.clients, client)
	load.opening++
	path := "/socket.io/?EIO=4&transport=websocket"
	if load.nats {
		path = "/"
	}
	request := "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Cookie: nochat_session_%d=%s\r\n\r\n"
	return client.raw([]byte(fmt.Sprintf(request, path, port, port, cookie)))
}

func (client *client) raw(output []byte) error {
	for len(output) > 0 {
		written, err := syscall.Write(client.socket, output)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("the server closed a socket: %w", err)
		}
		output = output[written:]
	}
	return nil
}

func (client *client) write(payload []byte) error {
	return client.raw(frame(payload))
}

// Read takes what has come, once.
func (client *client) read() error {
	input := client.load.input
	kept := copy(input, client.rest)
	if len(input)-kept < 1<<12 {
		return errors.New("a frame that is too long")
	}
	count, err := syscall.Read(client.socket, input[kept:])
	if err == syscall.EINTR || err == syscall.EAGAIN {
		return nil
	}
	if err != nil || count == 0 {
		return errors.New("the server closed a socket")
	}
	left, err := client.take(input[:kept+count])
	client.rest = append(client.rest[:0], left...)
	return err
}

// Take handles whole frames, and returns what is left.
func (client *client) take(data []byte) ([]byte, error) {
	if client.waits == upgrade {
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 {
			return data, nil
		}
		if !bytes.HasPrefix(data, []byte("HTTP/1.1 101")) {
			return nil, fmt.Errorf("no websocket: %.200q", data)
		}
		client.waits, data = welcome, data[end+4:]
		if err := client.upgraded(); err != nil {
			return nil, err
		}
	}
	for {
		kind, payload, rest := unframe(data)
		if rest == nil {
			return data, nil
		}
		data = rest
		if kind == 8 {
			return nil, fmt.Errorf("the server closed a websocket: %.100q", payload)
		}
		handle := client.packet
		if client.load.nats {
			handle = client.published
		}
		if err := handle(payload); err != nil {
			return nil, err
		}
	}
}

func (client *client) upgraded() error {
	if client.load.nats {
		return client.write([]byte(subscription(client.room.name)))
	}
	return client.write([]byte("40"))
}

func (client *client) welcomed() {
	client.waits = nothing
	client.load.opening--
	client.load.latency.add(int64(time.Since(client.began)))
}

// Packet handles one packet of Engine.IO.
func (client *client) packet(packet []byte) error {
	if len(packet) == 0 {
		return nil
	}
	load := client.load
	if packet[0] == '2' {
		return client.raw(pong)
	}
	load.heard = true
	if packet[0] != '4' || len(packet) < 2 {
		return nil
	}
	switch packet[1] {
	case '2':
		if client.waits == welcome && bytes.HasPrefix(packet, []byte(`42["welcome"`)) {
			client.welcomed()
		}
		if bytes.HasPrefix(packet, []byte(`42["rejected"`)) {
			return fmt.Errorf("rejected: %.300s", packet)
		}
		return load.deliveries(client.room, packet)
	case '3':
		return client.acknowledged(packet[2:])
	case '1', '4':
		return fmt.Errorf("not connected: %.300s", packet)
	}
	return nil
}

func (client *client) acknowledged(packet []byte) error {
	at := bytes.IndexByte(packet, '[')
	if at < 0 {
		return fmt.Errorf("no acknowledgement: %.300s", packet)
	}
	if client.load.asked > 0 {
		if number, _ := strconv.Atoi(string(packet[:at])); number == client.load.asked {
			client.load.asked = 0
			client.load.answer = json.RawMessage(append([]byte(nil), packet[at:]...))
			return nil
		}
	}
	if string(packet[at:]) != "[{}]" {
		return fmt.Errorf("refused: %.300s", packet)
	}
	client.room.acknowledged++
	return nil
}

// ---- frames of websockets -----------------------------------------------------------------------

// Frame makes a client's frame of text; its mask is zero, which servers apply as any other.
func frame(payload []byte) []byte {
	made := make([]byte, 8, 8+len(payload))
	made = append(made, payload...)
	if len(payload) >= 126 {
		putLongHeader(made)
		return made
	}
	made = made[2:]
	copy(made, []byte{0x81, 0x80 | byte(len(payload)), 0, 0, 0, 0})
	return made
}

func putLongHeader(made []byte) {
	copy(made, []byte{0x81, 0x80 | 126})
	binary.BigEndian.PutUint16(made[2:], uint16(len(made)-8))
}

// Unframe returns the first frame's kind and payload, and what follows; nil if it is not whole.
func unframe(data []byte) (kind byte, payload, rest []byte) {
	if len(data) < 2 {
		return 0, nil, nil
	}
	length, start := int(data[1]&0x7f), 2
	switch {
	case length == 126 && len(data) >= 4:
		length, start = int(binary.BigEndian.Uint16(data[2:])), 4
	case length == 127 && len(data) >= 10:
		length, start = int(binary.BigEndian.Uint64(data[2:])), 10
	case length >= 126:
		return 0, nil, nil
	}
	if len(data) < start+length {
		return 0, nil, nil
	}
	return data[0] & 0xf, data[start : start+length], data[start+length:]
}
