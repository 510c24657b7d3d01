// The peer: the official socket.io on Node, one process, no broker.
import { deliver, serve } from "./peer_io.mjs";

serve((message, acknowledge) => {
  deliver(message);
  acknowledge({});
});
