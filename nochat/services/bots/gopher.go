// A microservice in a third language, in one file: a bot in Go that counts what it is told.
//
// It knows of the chat what the AsyncAPI document (`nochat asyncapi`) says, and nothing else.
// With Debian's compiler and library, golang-go and golang-github-rabbitmq-amqp091-go-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build gopher.go
//	NOCHAT_BUS_URL=amqp://… ./gopher
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	help     = "I know: help, ping, count. Mention me with one of them, and count with a text."
	replies  = "amq.rabbitmq.reply-to" // RabbitMQ's "direct reply-to": no queue per asker
	patience = 10 * time.Second        // for a confirm, or a reply
	pause    = time.Second             // before it connects again
	reports  = 2 * time.Second         // between two of them
)

var (
	name   = setting("GOPHER_NAME", "gopher")
	shards = setting("NOCHAT_SHARDS", "4")
	url    = setting("NOCHAT_BUS_URL", "")
)

// The arguments of every durable queue.
var durable = amqp.Table{
	"x-queue-type":           "quorum",
	"x-delivery-limit":       int32(1_000_000_000),
	"x-dead-letter-exchange": "nochat.dead",
	"x-dead-letter-strategy": "at-least-once",
	"x-overflow":             "reject-publish",
}

// ---- what it does -------------------------------------------------------------------------------

// A message is what goes out: a command, a request or an event.
type message map[string]any

// An event is what comes in, with the fields that the bot looks at.
type event struct {
	Type          string
	CorrelationID string `json:"correlation_id"`
	Room          string
	User          string
	Invitee       string
	Text          string
	Position      int64
}

// react returns the commands that an event calls for.
func react(it event) []message {
	switch {
	case it.Type == "user.invited" && it.Invitee == name:
		return []message{envelope("room.join", it.CorrelationID, message{"room": it.Room, "user": name})}
	case it.Type == "user.notified" && it.User == name:
		// Named after the message that it answers: however often it is sent, it is stored once.
		said := message{"room": it.Room, "sender": name, "text": answer(it.Text)}
		said["client_id"] = fmt.Sprintf("answer-%d", it.Position)
		return []message{envelope("message.send", it.CorrelationID, said)}
	}
	return nil
}

// answer says something to a text; never with an @name, that another bot would repeat to it.
func answer(text string) string {
	words := strings.Fields(text)
	for at, word := range words {
		if strings.EqualFold(strings.TrimRightFunc(word, unicode.IsPunct), "@"+name) {
			words = words[at+1:]
			break
		}
	}
	if len(words) == 0 {
		return help
	}
	switch command := strings.ToLower(strings.TrimRightFunc(words[0], unicode.IsPunct)); command {
	case "ping":
		return "pong"
	case "count":
		letters := 0
		for _, letter := range strings.Join(words[1:], "") {
			if unicode.IsLetter(letter) {
				letters++
			}
		}
		return fmt.Sprintf("Words: %d, letters: %d.", len(words)-1, letters)
	}
	return help
}

// ---- how it takes part --------------------------------------------------------------------------

// envelope makes a message; it carries on the correlation of the event that caused it.
func envelope(kind, correlation string, fields message) message {
	it := message{"type": kind, "id": newID(), "correlation_id": correlation, "at": now()}
	if correlation == "" {
		it["correlation_id"] = newID()
	}
	for field, value := range fields {
		it[field] = value
	}
	return it
}

// A link is a connection with one channel, in confirm mode.
type link struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	closed     chan *amqp.Error
	returned   chan amqp.Return
	replied    <-chan amqp.Delivery
}

func open() (*link, error) {
	connection, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat:  10 * time.Second,
		Locale:     "en_US",
		Properties: amqp.Table{"connection_name": name},
	})
	if err != nil {
		return nil, err
	}
	it := &link{connection: connection}
	if it.channel, err = connection.Channel(); err == nil {
		it.closed = it.channel.NotifyClose(make(chan *amqp.Error, 1))
		it.returned = it.channel.NotifyReturn(make(chan amqp.Return, 1))
		err = it.channel.Confirm(false)
	}
	if err == nil {
		it.replied, err = it.channel.Consume(replies, "", true, false, false, false, nil)
	}
	if err != nil {
		connection.Close()
	}
	return it, err
}

// publish sends a message, and returns when the broker has confirmed it.
func (it *link) publish(exchange, key string, sent message, more amqp.Publishing) error {
	body, err := json.Marshal([]message{sent})
	if err != nil {
		return err
	}
	more.ContentType, more.Body, more.AppId = "application/json", body, name
	more.MessageId, more.CorrelationId = sent["id"].(string), sent["correlation_id"].(string)
	more.Type, more.Timestamp = sent["type"].(string), time.Now()
	until, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	mandatory := exchange != "nochat.events"
	confirm, err := it.channel.PublishWithDeferredConfirmWithContext(until, exchange, key, mandatory, false, more)
	if err != nil {
		return err
	}
	if !confirm.Wait() {
		return errors.New("the broker did not take a message")
	}
	select { // what no queue takes comes back before its confirm
	case back := <-it.returned:
		return fmt.Errorf("no queue takes %s; is the controller running?", back.RoutingKey)
	default:
	}
	note(published, more.Type)
	return nil
}

// command publishes what changes a room: on disk before it is confirmed.
func (it *link) command(sent message) error {
	count, err := strconv.ParseUint(shards, 10, 32)
	if err != nil || count == 0 {
		return fmt.Errorf("NOCHAT_SHARDS=%s is no number of queues", shards)
	}
	shard := crc32.ChecksumIEEE([]byte(sent["room"].(string))) % uint32(count)
	key := fmt.Sprintf("controller.%d", shard)
	return it.publish("nochat.commands", key, sent, amqp.Publishing{DeliveryMode: amqp.Persistent})
}

// arrive has an account, so that nobody else can take the name, and comes to the lobby.
func (it *link) arrive() error {
	account := message{"user": name, "password": newID()} // nobody will ever log in with it
	account["expires"] = now() + patience.Seconds()
	asked := envelope("user.register", "", account)
	milliseconds := strconv.FormatInt(patience.Milliseconds(), 10)
	options := amqp.Publishing{ReplyTo: replies, Expiration: milliseconds}
	if err := it.publish("nochat.requests", "controller.passwords", asked, options); err != nil {
		return err
	}
	select {
	case reply, open := <-it.replied:
		var told []struct {
			Type, Code, Reason string
		}
		if !open {
			return errors.New("the connection is gone")
		}
		if err := json.Unmarshal(reply.Body, &told); err != nil || len(told) != 1 {
			return errors.New("the answer to user.register can't be read")
		}
		if told[0].Type == "failed" && told[0].Code != "name.taken" {
			return errors.New(told[0].Reason)
		} // else it is made, or was in an earlier life
	case <-time.After(patience):
		return errors.New("nobody answers user.register; is the controller running?")
	}
	return it.command(envelope("room.join", "", message{"room": "lobby", "user": name}))
}

// handle acknowledges a delivery when the broker has confirmed all that came of it.
func (it *link) handle(delivery amqp.Delivery) error {
	var events []event // always an array
	err := json.Unmarshal(delivery.Body, &events)
	for _, each := range events {
		if each.Type == "" || each.Room == "" {
			err = errors.New("an event has no type or no room")
		}
	}
	if err != nil {
		log.Printf("a message goes to the dead letters: %v", err)
		failed++
		return delivery.Nack(false, false)
	}
	for _, each := range events {
		note(handled, each.Type)
		for _, command := range react(each) {
			if err := it.command(command); err != nil {
				return err // the broker will deliver it again
			}
		}
	}
	return delivery.Ack(false)
}

// ---- its life -----------------------------------------------------------------------------------

// serve works until it is told to stop, or an error ends the connection.
func serve(stop <-chan os.Signal) error {
	it, err := open()
	if err != nil {
		return err
	}
	defer it.connection.Close()
	if _, err := it.channel.QueueDeclare(name, true, false, false, false, durable); err != nil {
		return err
	}
	for _, kind := range []string{"user.notified", "user.invited"} {
		if err := it.channel.QueueBind(name, kind, "nochat.events", false, nil); err != nil {
			return err
		}
	}
	if err := it.channel.Qos(50, 0, false); err != nil {
		return err
	}
	if err := it.arrive(); err != nil {
		return err
	}
	deliveries, err := it.channel.Consume(name, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	fmt.Println(name + ": running")
	reporting := time.NewTicker(reports)
	defer reporting.Stop()
	for {
		select {
		case <-stop:
			return nil
		case err := <-it.closed:
			return fmt.Errorf("the connection is gone: %v", err)
		case <-reporting.C:
			err = it.publish("nochat.events", "service.reported", report(), amqp.Publishing{})
		case delivery, open := <-deliveries:
			if !open {
				return errors.New("the queue is gone")
			}
			err = it.handle(delivery)
		}
		if err != nil {
			return err
		}
	}
}

var (
	since     = now()
	instance  = newID()[:8]
	handled   = map[string]int{}
	published = map[string]int{}
	failed    int
)

func note(counts map[string]int, kind string) { counts[kind]++ }

// report says what it has done, for the management page.
func report() message {
	host, _ := os.Hostname()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	cpu := float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
	return envelope("service.reported", "", message{
		"service": name, "instance": instance, "host": host, "pid": os.Getpid(), "since": since,
		"handled": handled, "published": published, "failed": failed,
		"memory": memory.Sys, "cpu": cpu,
	})
}

func main() {
	if !strings.HasPrefix(url, "amqp") {
		log.Fatal("set NOCHAT_BUS_URL=amqp://… (RabbitMQ), as for the other services")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	for {
		err := serve(stop)
		if err == nil {
			return
		}
		log.Printf("waiting: %v", err)
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}

func setting(variable, otherwise string) string {
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return otherwise
}

func now() float64 { return float64(time.Now().UnixMicro()) / 1e6 }

func newID() string {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes)
}
