require "open3"
require_relative "debian"
require_relative "error"

module NoChat
  # What Vagrant's docker provider lacks: it builds a machine's image from docker/machine, creates a
  # network for this checkout (Vagrant's own is removed by the `destroy` of any checkout), and
  # removes what an interrupted `up` left.
  module Docker
    # SYS_PTRACE: without it, `docker exec` and health checks fail in the machine's own Docker.
    CAPABLE = %w[--cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined
                 --security-opt apparmor=unconfined].freeze
    FOLDERS = %w[--tmpfs /run --tmpfs /run/lock --volume /var/lib/docker].freeze
    # Options for cgroups, by the version that Docker Engine reports.
    CGROUPS = { "1" => %w[--volume /sys/fs/cgroup:/sys/fs/cgroup:rw], "2" => %w[--cgroupns private] }.freeze
    TURN = Mutex.new # Machines start in parallel.

    class << self
      def image
        "nochat/machine:#{base.gsub(/[^\w.-]/, '-')}"
      end

      # Names are set here, as Docker rewrites a container's /etc/hosts at each start.
      def arguments(cpus, memory, addresses)
        limits = []
        limits += ["--cpus", cpus] if cpus
        limits += ["--memory", "#{memory}m"] if memory
        names = addresses.flat_map { |name, address| ["--add-host", "#{name}:#{address}"] }
        FOLDERS + CAPABLE + CGROUPS.fetch(cgroups) + limits + names
      end

      def triggers(config, network, subnet)
        config.trigger.before(:up) do |trigger|
          trigger.ruby { |_, machine| TURN.synchronize { prepare(machine, network, subnet) } }
        end
        config.trigger.before(:destroy) { |trigger| trigger.ruby { |_, it| remove_leftover(it) } }
        config.trigger.after(:destroy) do |trigger|
          trigger.ruby { TURN.synchronize { remove_network(network) } }
        end
      end

      private

      # Docker Engine may be on another computer or in a virtual machine, so it is asked first. If
      # none answers, no machine is created, and this computer's version will do; also for commands
      # other than `vagrant up`, which create none.
      def cgroups
        return here unless ARGV.include?("up")

        @cgroups ||= begin
          told, = Open3.capture2e("docker", "info", "--format", "{{.CgroupVersion}}")
          CGROUPS.key?(told.strip) ? told.strip : here
        rescue Errno::ENOENT
          here
        end
      end

      def here
        File.exist?("/sys/fs/cgroup/cgroup.controllers") ? "2" : "1"
      end

      def base
        ENV["NOCHAT_MACHINE_BASE"].to_s.empty? ? Debian.image : ENV["NOCHAT_MACHINE_BASE"]
      end

      def prepare(machine, network, subnet)
        return if known?(machine)

        remove_leftover(machine)
        machine.ui.detail("Building #{image} from #{base}; the first time this takes a while.")
        docker("build", "--quiet", "--tag", image, "--build-arg", "BASE_IMAGE=#{base}",
               File.expand_path("../docker/machine", __dir__))
        return if docker("network", "ls", "--quiet", "--filter", "name=^#{network}$") != ""

        docker("network", "create", "--subnet", subnet, network)
      end

      # Vagrant stores a container's id only when the container runs.
      def known?(machine)
        machine.id && machine.id != "preparing"
      end

      def remove_leftover(machine)
        return if known?(machine)

        name = machine.provider_config.name
        left = docker("ps", "--all", "--quiet", "--filter", "name=^/#{name}$")
        docker("rm", "--force", "--volumes", left) unless left.empty?
      end

      def remove_network(network)
        found = docker("network", "ls", "--quiet", "--filter", "name=^#{network}$")
        used = docker("ps", "--all", "--quiet", "--filter", "network=#{network}")
        docker("network", "rm", network) if used.empty? && !found.empty?
      end

      def docker(*arguments)
        output, errors, status = Open3.capture3("docker", *arguments)
        return output.strip if status.success?

        raise Error, "docker #{arguments.first(2).join(' ')} failed:\n#{errors.strip}"
      end
    end
  end
end
