require_relative "conversation"
require_relative "key"
require_relative "steps"

module NoChat
  module Cloud
    # Creates the server, or continues an earlier attempt.
    class Create
      def initialize(app, _env)
        @app = app
      end

      def call(env)
        machine = env[:machine]
        talk = Conversation.new(machine)
        machine.ui.output("Creating a server in #{machine.provider_name}...")
        # From the first progress line on there may be something to delete: `destroy` needs an id.
        machine.provider.learn(
          talk.ask("create", public_key: Key.public(machine)) { machine.id ||= talk.token }
        )
        @app.call(env)
      end
    end

    # Deletes the server and its resources, and what an interrupted `up` left of them.
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

    # The machines that `up` starts in parallel. Their playbooks refer to each other, so each waits
    # until all of them can be reached.
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

        # Checks each second, as an interrupt does not signal the condition variable.
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

    # Reports that the machine can be reached, and waits for the others.
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

    # The steps, Vagrant's and ours, of `vagrant up`, `destroy` and the other commands. `halt` is
    # not supported, as a stopped server costs the same; Vagrant says so.
    module Actions
      extend Steps
      include Vagrant::Action::Builtin

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
        destroy_by(Destroy)
      end
    end
  end
end
