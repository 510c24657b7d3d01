require "open3"
require_relative "error"

module NoChat
  # Checks before `vagrant up` that say what to do; Vagrant's own messages say only what is wrong.
  module Providers
    ALL = %w[docker lxc libvirt virtualbox openstack azure].freeze

    PORTS = 100 # Enough for the machines of one checkout.

    class << self
      # Returns the range of ports that begins with the first; nil if none is given.
      def ports(first)
        return unless first

        most = 65_536 - PORTS
        unless first.match?(/\A\d+\z/) && first.to_i.between?(1024, most)
          raise Error, "NOCHAT_MACHINE_PORTS is #{first}. It is the first of #{PORTS} ports of " \
                       "this computer: a number between 1024 and #{most}."
        end
        (first.to_i..first.to_i + PORTS - 1)
      end

      def check(arguments, dotfile, bridge)
        return unless arguments.first == "up" && Dir["#{dotfile}/machines/*/*/id"].empty?

        case name = wanted(arguments)
        when "docker" then check_docker
        when "lxc" then check_lxc(bridge)
        when "libvirt" then check_libvirt
        when *ALL then nil
        else raise Error, "There is no provider #{name}; there are #{ALL.join(', ')}."
        end
      end

      private

      def wanted(arguments)
        text = arguments.join(" ")[/--provider[= ](\S+)/, 1]
        text || ENV["VAGRANT_DEFAULT_PROVIDER"]
      end

      def check_libvirt
        return if Vagrant.plugin("2").manager.providers.key?(:libvirt)

        raise Error, "The provider libvirt is a plugin that Vagrant does not have. To do: sudo " \
                     "apt-get install vagrant-libvirt, or: vagrant plugin install vagrant-libvirt"
      end

      def check_docker
        _, errors, status = Open3.capture3("docker", "version")
        return if status.success?

        advice = "Start it: sudo systemctl start docker (or set DOCKER_HOST)."
        if errors.match?(/permission denied/i)
          advice = "You have no right to its socket: sudo usermod -aG docker $USER; log in again."
        end
        raise Error, "Docker does not answer. #{advice}\nIt says: #{errors.strip}"
      rescue Errno::ENOENT
        raise Error, "Docker is not on this machine. To do: sudo apt-get install docker.io. " \
                     "Or take another provider: vagrant up --provider=lxc"
      end

      def check_lxc(bridge)
        unless Vagrant::Util::Which.which("lxc-start")
          raise Error, "LXC is not on this machine. To do: sudo apt-get install lxc. " \
                       "Or take another provider: vagrant up --provider=docker"
        end
        return if Dir.exist?("/sys/class/net/#{bridge}")

        raise Error, "There is no bridge #{bridge} for LXC. Start it: sudo systemctl start " \
                     "lxc-net. Or name another in NOCHAT_MACHINE_BRIDGE."
      end
    end
  end
end
