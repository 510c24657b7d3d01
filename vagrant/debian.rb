require_relative "error"

module NoChat
  # The machines' release of Debian, unless a base, box or image is named.
  module Debian
    RELEASES = { "12" => "bookworm", "13" => "trixie" }.freeze
    # Debian publishes no VirtualBox box of Debian 13.
    VIRTUALBOX = { "12" => "debian/bookworm64", "13" => "bento/debian-13" }.freeze

    class << self
      def release
        wanted = ENV["NOCHAT_DEBIAN"].to_s
        wanted = "13" if wanted.empty?
        return wanted if RELEASES.key?(wanted)

        raise Error, "NOCHAT_DEBIAN is #{wanted}: it may be #{RELEASES.keys.join(' or ')}."
      end

      def image
        "debian:#{RELEASES[release]}"
      end

      def box(provider)
        provider == :virtualbox ? VIRTUALBOX[release] : "debian/#{RELEASES[release]}64"
      end

      def urn(image)
        image.gsub("RELEASE", release)
      end
    end
  end
end
