require "open3"
require_relative "conversation"
require_relative "error"

module NoChat
  module Cloud
    # Makes the server, or goes on where an earlier try ended.
    class Create
      def initialize(app, _env)
        @app = app
      end

      def call(env)
        machine = env[:machine]
        talk = Conversation.new(machine)
        machine.ui.output("Creating a server in #{machine.provider_name}...")
        # Once the cloud talks to us, `destroy` may have something to look for.
        machine.provider.learn(
          talk.ask("create", public_key: public_key(machine)) { machine.id ||= talk.token }
        )
        @app.call(env)
      end

      private

      # Where the user names no key, the machine gets one of its own, where Vagrant looks for it.
      def public_key(machine)
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

    # Deletes the server and what came with it, also what an interrupt left.
    class Destroy
      def initialize(app, _env)
        @app = app
      end

      def call(env)
        machine = env[:machine]
        machine.ui.output("Deleting the server and what belongs to it...")
        machine.provider.learn(Conversation.new(machine).ask("destroy"))
        machine.id = nil
        @app.call(env)
      end
    end

    # The machines that come up side by side. Their playbooks speak of each other, so each waits until
    # all of them can be reached.
    class Together
      @lock = Mutex.new
      @somebody = ConditionVariable.new
      @coming = []

      class << self
        def come(machine)
          @lock.synchronize { @coming << machine }
          yield
        ensure
          arrive(machine)
        end

        def arrive(machine)
          @lock.synchronize do
            @coming.delete(machine)
            @somebody.broadcast
          end
        end

        # Looks up each second, as an interrupt wakes nobody.
        def wait
          @lock.synchronize { @somebody.wait(@lock, 1) until @coming.empty? || yield }
        end
      end

      def initialize(app, _env)
        @app = app
      end

      def call(env)
        Together.come(env[:machine]) { @app.call(env) }
      end
    end

    # The machine is there: now for the others.
    class Arrive
      def initialize(app, _env)
        @app = app
      end

      def call(env)
        Together.arrive(env[:machine])
        Together.wait { env[:interrupted] }
        @app.call(env)
      end
    end

    # What `vagrant up`, `destroy` and the others do: Vagrant's own steps, and ours.
    # There is no halt: a server that is off costs the same. Vagrant says that it is not there.
    module Actions
      include Vagrant::Action::Builtin
      NONE = Vagrant::MachineState::NOT_CREATED_ID

      def self.up
        build do |steps|
          steps.use Together
          steps.use ConfigValidate
          steps.use Provision # after all that follow
          steps.use Call, IsState, :active do |env, more|
            more.use Create unless env[:result]
            more.use WaitForCommunicator
            more.use Arrive
          end
        end
      end

      def self.destroy
        build do |steps|
          steps.use Call, DestroyConfirm do |env, more|
            next unless env[:result]

            more.use ConfigValidate
            more.use ProvisionerCleanup, :before
            more.use Destroy
          end
        end
      end

      def self.provision
        build { |steps| existing(steps, ConfigValidate, Provision) }
      end

      def self.ssh
        build { |steps| existing(steps, SSHExec) }
      end

      def self.ssh_run
        build { |steps| existing(steps, SSHRun) }
      end

      def self.build(&block)
        Vagrant::Action::Builder.new.tap(&block)
      end

      def self.existing(steps, *actions)
        steps.use Call, IsState, NONE do |env, more|
          raise Vagrant::Errors::VMNotCreatedError if env[:result]

          actions.each { |action| more.use action }
        end
      end
      private_class_method :build, :existing
    end
  end
end
