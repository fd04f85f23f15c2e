using System.ComponentModel.DataAnnotations;

namespace Atoll.Monitoring;

/// <summary>Usage of tenants and the log of predictions, section <c>Monitoring</c>.</summary>
internal sealed class MonitoringOptions
{
    /// <summary>Seconds after which what tenants used is written to the database; a crash loses at most what was counted in that time.</summary>
    [Range(1, 3600)]
    public int UsageSeconds { get; set; } = 15;

    /// <summary>Days for which the usage of tenants is kept.</summary>
    [Range(1, 36_500)]
    public int UsageDays { get; set; } = 400;
}
