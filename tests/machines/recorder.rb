# Evaluates a Vagrantfile with every provider's block in it, and prints as JSON what each one sets.
# Vagrant itself never evaluates the blocks of providers that are not used.
require "json"

# Stands in for a part of Vagrant's configuration: whatever is set or called on it is remembered.
class Recorder
  def initialize
    @set, @calls, @parts = {}, [], {}
  end

  def method_missing(name, *arguments, **options, &block)
    if name.end_with?("=")
      @set[name[..-2]] = arguments.first
    elsif block && name != :ruby # A trigger's block is for later.
      parts = Array.new(block.arity) { Recorder.new }
      block.call(*parts)
      @calls << [name, arguments, options, parts]
    elsif arguments.any? || options.any? || block
      @calls << [name, arguments, options, []]
    else
      @parts[name] ||= Recorder.new
    end
  end

  def respond_to_missing?(name, _private = false)
    name != :to_str && name != :to_ary && name != :to_hash
  end

  def to_json(*state)
    { set: @set, calls: @calls, parts: @parts }.to_json(*state)
  end
end

# What Vagrant is to the Vagrantfile and to the files that it requires.
module Vagrant
  module Errors
    VagrantError = Class.new(StandardError)
    VMNotCreatedError = Class.new(VagrantError)
  end

  module Action
    Builtin = Module.new
  end

  module MachineState
    NOT_CREATED_ID = :not_created
  end

  # A plugin that is defined says what it is for.
  class Plugin
    def self.config(name, _kind)
      OWN[name] = yield.instance_methods(false)
    end

    def self.name(_text); end

    def self.provider(_name, **_options); end
  end

  OWN = {}
  BASES = { config: Object, provider: Object }.freeze

  def self.plugin(_version, kind = nil)
    kind ? BASES.fetch(kind) : Plugin
  end

  def self.configure(_version)
    recorder = Recorder.new
    yield recorder
    default = ENV["VAGRANT_DEFAULT_PROVIDER"]
    puts JSON.generate({ config: recorder, own: OWN, default: default, environment: ENV.to_h })
  end
end

load ARGV.shift
