using Atoll.Platform.Database;

namespace Atoll.Monitoring;

/// <summary>What a tenant used on a day of UTC.</summary>
internal sealed class UsageDay : ITenantOwned
{
    public string TenantId { get; set; } = "";

    /// <summary>As 2026-01-31, which sorts like the days themselves.</summary>
    public required string Day { get; set; }

    public long Requests { get; set; }

    public long Samples { get; set; }

    public long ExecutionMicroseconds { get; set; }

    /// <summary>The most bytes that its models in memory took when it was looked at.</summary>
    public long ResidentBytesMax { get; set; }

    public long Refusals { get; set; }

    public long ModelLoads { get; set; }
}
