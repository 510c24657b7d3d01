module NoChat
  # An error that Vagrant shows to the user without a stack trace, like its own.
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
