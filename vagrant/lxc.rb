require "open3"
require_relative "error"
require_relative "lxc_actions"

module NoChat
  # A provider for LXC containers, created from Vagrant boxes for LXC. What needs root is in lxc.sh.
  # The settings are named as in the public plugin.
  module Lxc
    PROGRAM = File.expand_path("lxc.sh", __dir__)
    INTERRUPTED = 130 # what lxc.sh ends with then
    TURN = Mutex.new # The machines come up side by side, and sudo asks once.

    def self.as_root
      return [] if Process.euid.zero?

      TURN.synchronize { @allowed ||= system("sudo", "true") }
      return %w[sudo] if @allowed

      raise Error, "Machines of LXC belong to root, and sudo does not let you in: see above."
    end

    class Config < Vagrant.plugin("2", :config)
      attr_accessor :container_name, :customizations

      def initialize
        @customizations = []
      end

      # Sets a key of LXC's configuration (`man lxc.container.conf`), without its prefix `lxc.`.
      def customize(key, value)
        @customizations << [key, value]
      end

      def merge(other)
        super.tap { |it| it.customizations = customizations + other.customizations }
      end
    end

    class Provider < Vagrant.plugin("2", :provider)
      def initialize(machine)
        @machine = machine
      end

      def action(name)
        Actions.respond_to?(name) ? Actions.public_send(name) : nil
      end

      def state
        name = @machine.id ? info.first.downcase : "not_created"
        text = name.tr("_", " ")
        Vagrant::MachineState.new(name.to_sym, text, "The container is #{text}.")
      end

      def ssh_info
        _, host = info if @machine.id
        host && { host: host, port: 22 }
      end

      # Runs an action of lxc.sh on the container and returns its output.
      def run(action, *arguments, input: "")
        name = @machine.provider_config.container_name
        program = [*Lxc.as_root, "sh", PROGRAM, action, name]
        output, errors, status = Open3.capture3(*program, *arguments, stdin_data: input)
        return output if status.success?

        why = status.exitstatus == INTERRUPTED ? "Interrupted: run the same again." : errors.strip
        raise Error, "The container #{name}: #{action} failed.\n#{why}"
      end

      def to_s
        "lxc (#{@machine.id || 'no container'})"
      end

      private

      def info
        run("info").split
      end
    end

    Class.new(Vagrant.plugin("2")) do
      name "nochat-lxc"
      config(:lxc, :provider) { Config }
      provider(:lxc, parallel: true, defaultable: false) { Provider }
    end
  end
end
