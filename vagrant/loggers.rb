module NoChat
  # Vagrant asks Log4r for a logger with each configuration object, by hundreds in each command and
  # mostly by the same few names. Log4r compiles the methods of every logger anew, which takes a
  # third of the time of `vagrant status`; a logger that is there already does the same.
  module Loggers
    def new(*arguments)
      (self[*arguments] if arguments.one? && equal?(Log4r::Logger)) || super
    end
  end
end

Log4r::Logger.singleton_class.prepend(NoChat::Loggers) if defined?(Log4r::Logger)
