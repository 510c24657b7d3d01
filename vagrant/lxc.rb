require "ipaddr"

module NoChat
  # What vagrant-lxc leaves to us: it knows a container only once it is made whole, so that an
  # interrupt before that leaves one behind; and it takes a machine's first address for the one to
  # reach it at, which while it boots may be the private one that this computer has no route to.
  module Lxc
    # In the place of the plugin's own method; where it finds nothing, the plugin asks again.
    module Reachable
      class << self
        attr_accessor :private
      end

      def get_container_ip_from_ip_addr(driver)
        found = driver.info("-iH").scan(/^[\d.]+$/)
        found.find { |address| !Reachable.private.include?(address) }
      end
    end

    class << self
      def triggers(config, private)
        Reachable.private = IPAddr.new(private)
        config.trigger.before(:up) do |trigger|
          trigger.ruby { Vagrant::LXC::Action::FetchIpWithLxcInfo.prepend(Reachable) }
        end
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
