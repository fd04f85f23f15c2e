using System.Net;
using Atoll.Tenancy;
using Microsoft.Extensions.Options;

namespace Atoll.Tests.Tenancy;

public sealed class FailedCredentialsTests
{
    private readonly VirtualClock _clock = new();
    private readonly FailedCredentials _failures;

    public FailedCredentialsTests() =>
        _failures = new FailedCredentials(Options.Create(new TenancyOptions { FailedCredentialsPerMinuteMax = 3 }), _clock);

    [Fact]
    public void An_address_must_wait_after_too_many_and_may_try_again_when_the_minute_is_over()
    {
        var address = IPAddress.Parse("192.0.2.1");
        for (var i = 0; i < 3; i++)
        {
            Assert.Null(_failures.WaitOf(address));
            _failures.Count(address);
        }
        _clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(TimeSpan.FromSeconds(40), _failures.WaitOf(address));
        Assert.Null(_failures.WaitOf(IPAddress.Parse("192.0.2.2")));
        _clock.Advance(TimeSpan.FromSeconds(40));
        Assert.Null(_failures.WaitOf(address));
    }

    [Fact]
    public void The_addresses_of_one_IPv6_network_count_together_and_mapped_ones_are_those_of_IPv4()
    {
        for (var i = 1; i <= 3; i++) _failures.Count(IPAddress.Parse($"2001:db8::{i}"));
        Assert.NotNull(_failures.WaitOf(IPAddress.Parse("2001:db8::ffff")));
        Assert.Null(_failures.WaitOf(IPAddress.Parse("2001:db8:0:1::1")));
        for (var i = 0; i < 3; i++) _failures.Count(IPAddress.Parse("::ffff:192.0.2.1"));
        Assert.NotNull(_failures.WaitOf(IPAddress.Parse("192.0.2.1")));
        Assert.Null(_failures.WaitOf(IPAddress.Parse("192.0.2.2")));
    }

    [Fact]
    public void Memory_stays_bounded_whoever_attacks()
    {
        for (var i = 0; i < FailedCredentials.AddressesMax * 3; i++)
        {
            _failures.Count(new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), (byte)i]));
            Assert.True(_failures.AddressesKnown <= FailedCredentials.AddressesMax);
        }
    }
}
