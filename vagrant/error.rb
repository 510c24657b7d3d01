module NoChat
  # Shown to the user as it is, as Vagrant shows its own errors: no stack trace.
  class Error < Vagrant::Errors::VagrantError
    attr_reader :error_message

    def initialize(message)
      @error_message = message
      super()
    end

    def error_key
      nil
    end
  end
end
