require "open3"
require_relative "error"

module NoChat
  # The SSH key of a machine.
  module Key
    # Returns the public key. If the user names no private key, one is generated for the machine, at
    # the path where Vagrant looks for it.
    def self.public(machine)
      given = Array(machine.config.ssh.private_key_path).first
      key = File.expand_path(given || "#{machine.data_dir}/private_key", machine.env.root_path)
      unless given || File.exist?(key)
        Open3.capture2e("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nochat", "-f", key)
      end
      text, status = Open3.capture2("ssh-keygen", "-y", "-P", "", "-f", key)
      raise Error, "#{key} is not a private key without passphrase." unless status.success?

      text.strip
    end
  end
end
