module NoChat
  # What vagrant-lxc leaves to us: it knows a container only once it is made whole, so that an
  # interrupt before that leaves one behind.
  module Lxc
    class << self
      def triggers(config)
        config.trigger.before(%i[up destroy]) do |trigger|
          trigger.ruby { |_, machine| remove_leftover(machine) }
        end
      end

      private

      def remove_leftover(machine)
        name = machine.provider_config.container_name
        return if machine.id || !machine.provider.driver.all_containers.include?(name)

        left = Vagrant::LXC::Driver.new(name, privileged: machine.provider_config.privileged)
        left.forced_halt unless left.state == :stopped
        left.destroy
      end
    end
  end
end
