require "digest"
require "json"
require "open3"
require_relative "error"

module NoChat
  module Cloud
    # Runs a cloud's program with a request, as JSON on its standard input. It answers with a JSON
    # object a line: {"progress": TEXT} any number of times, then {"error": TEXT} or the answer,
    # {"state": TEXT, "host": ADDRESS}.
    class Conversation
      FOLDER = __dir__

      def initialize(machine)
        @machine = machine
        @program = File.join(FOLDER, "cloud_#{machine.provider_name}.py")
      end

      # The machine's name in the cloud, unique to this checkout; it finds what an interrupted `up`
      # left.
      def token
        checkout = Digest::SHA256.hexdigest(@machine.env.local_data_path.to_s)[0, 8]
        "nochat-#{@machine.name}-#{checkout}"
      end

      # Yields before each line of progress is shown.
      def ask(action, **more, &progress)
        settings = @machine.provider_config.settings
        told = { action: action, token: token, settings: settings, **more }
        Open3.popen2(python, @program) do |input, output, ended|
          input.write(JSON.generate(told))
          input.close
          answer = output.each_line.map { |line| hear(JSON.parse(line), &progress) }.compact.last
          ended.value
          answer || raise(Error, "#{@program} ended without an answer; its errors are above.")
        end
      end

      private

      def hear(line)
        raise Error, line["error"] if line["error"]
        return line unless line["progress"]

        yield if block_given?
        @machine.ui.detail(line["progress"])
        nil
      end

      def python
        own = File.expand_path("../.venv/bin/python", FOLDER)
        File.exist?(own) ? own : "python3"
      end
    end
  end
end
