require "digest"
require "fileutils"
require_relative "error"
require_relative "key"
require_relative "steps"

module NoChat
  module Lxc
    # Creates the container from its box. The id is stored first, so that `up` and `destroy` find
    # what an interrupt left.
    class Create
      # The number of leading folders to strip from a box's paths, if the box does not state it.
      PARTS = "2"

      def initialize(app, _env)
        @app = app
      end

      def call(env)
        machine = env[:machine]
        box, config = machine.box, machine.config
        if Dir["#{box.directory}/rootfs.tar*"].empty?
          raise Error, "The box #{box.name} has no rootfs.tar.gz: it is none for LXC."
        end
        machine.ui.output("Unpacking the box #{box.name}...")
        machine.id = machine.provider_config.container_name
        parts = box.metadata.fetch("template-opts", {}).fetch("--strip-components", PARTS)
        machine.provider.run("create", box.directory.to_s, parts, config.vm.hostname,
                             config.ssh.username || "vagrant", Key.public(machine))
        @app.call(env)
      end
    end

    # Starts the container with the Vagrantfile's settings.
    class Start
      def initialize(app, _env)
        @app = app
      end

      def call(env)
        machine = env[:machine]
        machine.ui.output("Starting the container...")
        lines = settings(machine).map { |key, value| "lxc.#{key} = #{value}\n" }
        machine.provider.run("start", input: lines.join)
        @app.call(env)
      end

      private

      def settings(machine)
        # A network's `type` clears its other keys, so the MAC address must follow it.
        own = [["uts.name", machine.config.vm.hostname], ["net.0.hwaddr", card(machine.id)]]
        machine.provider_config.customizations + own + folders(machine)
      end

      # Returns a MAC address that is the same at each start, so that DHCP gives the same address.
      def card(name)
        "00:16:3e:#{Digest::SHA256.hexdigest(name)[0, 6].scan(/../).join(':')}"
      end

      # Returns mount entries for the synced folders, parents before their children.
      def folders(machine)
        synced = machine.config.vm.synced_folders.values.reject { |it| it[:disabled] }
        synced.sort_by { |it| it[:guestpath].length }.map do |it|
          here = File.expand_path(it[:hostpath], machine.env.root_path)
          FileUtils.mkdir_p(here) if it[:create]
          there = it[:guestpath].delete_prefix("/")
          paths = [here, there].map { |path| path.gsub(" ", "\\\\040") }
          options = ["bind", "create=dir", *it[:mount_options]].join(",")
          ["mount.entry", "#{paths.join(' ')} none #{options} 0 0"]
        end
      end
    end

    # Shuts the container down; with `--force`, kills it.
    class Halt
      SECONDS = 30

      def initialize(app, _env)
        @app = app
      end

      def call(env)
        env[:machine].ui.output("Stopping the container...")
        env[:machine].provider.run("stop", env[:force_halt] ? "--kill" : "--timeout=#{SECONDS}")
        @app.call(env)
      end
    end

    # Removes the container, even one that an interrupt left incomplete.
    class Destroy
      def initialize(app, _env)
        @app = app
      end

      def call(env)
        env[:machine].ui.output("Removing the container...")
        env[:machine].provider.run("remove")
        env[:machine].id = nil
        @app.call(env)
      end
    end

    # The steps, Vagrant's and ours, of `vagrant up`, `halt` and the other commands.
    module Actions
      extend Steps
      include Vagrant::Action::Builtin

      def self.up
        build do |steps|
          steps.use ConfigValidate
          steps.use Provision # after all that follow
          steps.use Call, IsState, Steps::NONE do |env, more|
            next unless env[:result]

            more.use HandleBox
            more.use Create
          end
          steps.use Call, IsState, :running do |env, more|
            more.use Start unless env[:result]
            more.use WaitForCommunicator, %i[starting running]
          end
        end
      end

      def self.halt
        build do |steps|
          steps.use Call, IsState, Steps::NONE do |env, more|
            next more.use Halt unless env[:result]

            more.use Message, I18n.t("vagrant.commands.common.vm_not_created")
          end
        end
      end

      def self.reload
        build do |steps|
          steps.use halt
          steps.use up
        end
      end

      def self.destroy
        destroy_by(Destroy)
      end
    end
  end
end
