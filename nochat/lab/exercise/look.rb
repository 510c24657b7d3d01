# Notes what Vagrant makes of the Vagrantfile in the current folder: each machine's settings as it has
# merged them, a line of JSON in the file NOCHAT_LOOK. Judges name this file in VAGRANT_VAGRANTFILE.
require "json"
require "socket"
begin
  require_relative "../../../vagrant/loggers" # takes less time
rescue LoadError
  nil # Only a checkout of the project has it.
end

module NoChat
  module Look
    TURN = Mutex.new
    TAKEN = [] # sockets, until Vagrant ends

    def initialize(*)
      super
      Look.note(self)
    end

    class << self
      def note(machine)
        networks = machine.config.vm.networks.map { |kind, options| options.merge(kind: kind) }
        seen = { name: machine.name, hostname: machine.config.vm.hostname, networks: networks,
                 playbooks: playbooks(machine) }
        TURN.synchronize do
          File.write(ENV["NOCHAT_LOOK"], "#{JSON.generate(seen)}\n", mode: "a")
          ports(machine, networks).each { |port| take(port) } if ENV["NOCHAT_LOOK_TAKE"]
        end
      end

      private

      def playbooks(machine)
        ansible = machine.config.vm.provisioners.select { |it| it.type.to_s.start_with?("ansible") }
        ansible.map { |it| { playbook: it.config.playbook, groups: it.config.groups } }
      end

      # The ports of this computer that are asked for, without SSH's, which Vagrant chooses.
      def ports(machine, networks)
        forwarded = networks.select { |it| it[:kind] == :forwarded_port && it[:id] != "ssh" }
        settings = machine.provider_config
        published = settings.respond_to?(:ports) ? Array(settings.ports) : []
        published = published.map { |text| text.to_s.split(":")[-2] }
        forwarded.map { |it| it[:host] } + published.compact
      end

      def take(port)
        TAKEN << TCPServer.new("0.0.0.0", Integer(port))
      rescue SystemCallError, ArgumentError, TypeError
        nil # Somebody has it, or it is none.
      end
    end
  end
end

Vagrant::Machine.prepend(NoChat::Look)
load File.join(Dir.pwd, "Vagrantfile")
