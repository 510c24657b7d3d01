module NoChat
  # The actions on an existing machine that all our providers share, built of Vagrant's steps.
  module Steps
    include Vagrant::Action::Builtin
    NONE = Vagrant::MachineState::NOT_CREATED_ID

    def provision
      build { |steps| existing(steps, ConfigValidate, Provision) }
    end

    def ssh
      build { |steps| existing(steps, SSHExec) }
    end

    def ssh_run
      build { |steps| existing(steps, SSHRun) }
    end

    private

    # Asks for confirmation, cleans up after the provisioners, and destroys the machine.
    def destroy_by(destroyer)
      build do |steps|
        steps.use Call, DestroyConfirm do |env, more|
          next unless env[:result]

          more.use ConfigValidate
          more.use ProvisionerCleanup, :before
          more.use destroyer
        end
      end
    end

    def build(&block)
      Vagrant::Action::Builder.new.tap(&block)
    end

    def existing(steps, *actions)
      steps.use Call, IsState, NONE do |env, more|
        raise Vagrant::Errors::VMNotCreatedError if env[:result]

        actions.each { |action| more.use action }
      end
    end
  end
end
