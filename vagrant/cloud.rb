require_relative "actions"
require_relative "conversation"

module NoChat
  # Providers for clouds whose public plugins are not maintained. Each is a list of settings, named
  # as in its public plugin, and a Python program beside this file that uses the cloud's SDK. If the
  # public plugin is installed too, ours is used: Vagrant loads plugins before the Vagrantfile, and
  # of two providers with the same name it takes the one registered last.
  module Cloud
    class Provider < Vagrant.plugin("2", :provider)
      def initialize(machine)
        @machine = machine
      end

      def action(name)
        Actions.respond_to?(name) ? Actions.public_send(name) : nil
      end

      def state
        @answer = { "state" => "not_created" } unless @answer || @machine.id
        @answer ||= Conversation.new(@machine).ask("state")
        name = @answer["state"]
        id = name == "not_created" ? Vagrant::MachineState::NOT_CREATED_ID : name.to_sym
        Vagrant::MachineState.new(id, name.tr("_", " "), "The server is #{name.tr('_', ' ')}.")
      end

      def ssh_info
        state
        @answer["host"] && { host: @answer["host"], port: 22 }
      end

      # Stores the answer of an action that changed the server, so that the cloud need not be asked
      # again: Vagrant reads the state from several threads while it waits for SSH.
      def learn(answer)
        @answer = answer
      end

      def to_s
        "#{@machine.provider_name} (#{@machine.id || 'no server'})"
      end
    end

    # Defines a provider by its settings and the environment variables that it requires.
    def self.define(provider_name, keys:, needs:)
      config_class = config(provider_name, keys, needs)
      Class.new(Vagrant.plugin("2")) do
        name "nochat-#{provider_name}"
        config(provider_name, :provider) { config_class }
        provider(provider_name, parallel: true, box_optional: true, defaultable: false) { Provider }
      end
    end

    def self.config(provider_name, keys, needs)
      Class.new(Vagrant.plugin("2", :config)) do
        attr_accessor(*keys)

        define_method(:settings) { keys.to_h { |key| [key, public_send(key)] }.compact }

        define_method(:validate) do |_machine|
          missing = needs.reject { |_, key| public_send(key) }
          errors = missing.map { |variable, key| "#{key} is not set: set #{variable}." }
          { provider_name.to_s => _detected_errors + errors }
        end
      end
    end
    private_class_method :config

    define :openstack,
           keys: %i[openstack_auth_url username password tenant_name user_domain_name
                    project_domain_name region ssl_ca_file server_name flavor image
                    floating_ip_pool networks keypair_name security_groups],
           needs: { "OS_AUTH_URL" => :openstack_auth_url, "OS_USERNAME" => :username,
                    "OS_PASSWORD" => :password, "OS_PROJECT_NAME" => :tenant_name }
    define :azure,
           keys: %i[tenant_id client_id client_secret subscription_id resource_group_name location
                    vm_name vm_size vm_image_urn tcp_endpoints admin_username ssh_from
                    shutdown dns_name management_endpoint],
           needs: { "AZURE_TENANT_ID" => :tenant_id, "AZURE_CLIENT_ID" => :client_id,
                    "AZURE_CLIENT_SECRET" => :client_secret,
                    "AZURE_SUBSCRIPTION_ID" => :subscription_id }
  end
end
