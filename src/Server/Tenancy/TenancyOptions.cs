using System.ComponentModel.DataAnnotations;

namespace Atoll.Tenancy;

/// <summary>Settings of authentication, section <c>Tenancy</c>.</summary>
internal sealed class TenancyOptions
{
    /// <summary>Credentials that one client address may get wrong in a minute; further ones are refused unread until the minute is over.</summary>
    [Range(1, 1_000_000)]
    public int FailedCredentialsPerMinuteMax { get; set; } = 60;
}
