using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;

namespace Atoll.Platform.Limits;

/// <summary>What one tenant may take of the platform, section <c>TenantLimits</c>: the values of every tenant without one of its own.</summary>
/// <remarks>
/// A new limit is a new property with a range and a comment; settings, API, command line and documents know it by that alone.
/// Whoever enforces it asks <see cref="TenantLimitsDirectory"/>.
/// </remarks>
internal sealed class TenantLimits
{
    public const string Section = "TenantLimits";

    private static readonly Dictionary<string, PropertyInfo> ByName = typeof(TenantLimits)
        .GetProperties(BindingFlags.Instance | BindingFlags.Public).ToDictionary(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name));

    /// <summary>Bytes of data and models that a tenant may keep. What is deleted counts until it is swept, about a day later.</summary>
    [Range(0, long.MaxValue)]
    public long DiskBytesMax { get; set; } = 100L << 30;

    /// <summary>Datasets that a tenant may have.</summary>
    [Range(0, int.MaxValue)]
    public int DatasetsMax { get; set; } = 1000;

    /// <summary>Samples of one upload.</summary>
    [Range(1, long.MaxValue)]
    public long RowsPerUploadMax { get; set; } = 50_000_000;

    /// <summary>Versions that one model of a tenant may have.</summary>
    [Range(1, int.MaxValue)]
    public int VersionsMax { get; set; } = 1000;

    /// <summary>Imports and trainings of a tenant that may wait; the next one is refused.</summary>
    [Range(0, int.MaxValue)]
    public int QueuedJobsMax { get; set; } = 1000;

    /// <summary>Imports and trainings of a tenant that run at the same time; further ones wait, even when the machine is idle.</summary>
    [Range(1, int.MaxValue)]
    public int RunningJobsMax { get; set; } = 8;

    /// <summary>Predictions of a tenant that may wait until they can run; the next one is refused.</summary>
    [Range(0, 100_000)]
    public int WaitingPredictionsMax { get; set; } = 64;

    /// <summary>Predictions of a tenant a second, in bursts of at most a second's worth; 0 for any number.</summary>
    [Range(0, 1_000_000)]
    public double PredictionsPerSecondMax { get; set; }

    /// <summary>Predictions of a tenant in a calendar month (UTC), counted at every door, after which the Einstein API refuses further ones.</summary>
    [Range(0, long.MaxValue)]
    public long PredictionsPerMonthMax { get; set; } = 1_000_000_000;

    /// <summary>How many times the time of a tenant of weight 1 a tenant's predictions get when all want more than there is.</summary>
    [Range(0.01, 1000)]
    public double PredictionWeight { get; set; } = 1;

    /// <summary>Predictions of a tenant that run at the same time; further ones wait, even when the machine is idle; 0 for any number.</summary>
    [Range(0, 1024)]
    public int RunningPredictionsMax { get; set; }

    /// <summary>Models of a tenant that are loaded at the same time; further ones wait, even when nobody else loads.</summary>
    [Range(1, 256)]
    public int ModelLoadsMax { get; set; } = 2;

    /// <summary>Models of a tenant that may wait to be loaded; the next one is refused.</summary>
    [Range(0, 100_000)]
    public int WaitingModelLoadsMax { get; set; } = 256;

    /// <summary>Models of a tenant that its predictions bring into memory a second, in bursts of at most a second's worth; 0 for any number.</summary>
    [Range(0, 1_000_000)]
    public double ModelLoadsPerSecondMax { get; set; }

    /// <summary>Share of the memory for loaded models (Deployments:CacheBytesMax) that a tenant's models may take.</summary>
    [Range(0.001, 1)]
    public double ModelCacheShare { get; set; } = 0.5;

    /// <summary>Bytes of a tenant's loaded models that models of others cannot push out of memory.</summary>
    [Range(0, long.MaxValue)]
    public long ModelCacheBytesMin { get; set; } = 1L << 20;

    /// <summary>Share of the memory for loaded models that a tenant's pinned endpoints may hold.</summary>
    [Range(0.0, 1.0)]
    public double PinnedModelShare { get; set; } = 0.1;

    /// <summary>Every limit as it is called on the wire.</summary>
    public static IReadOnlyCollection<string> Names => ByName.Keys;

    public double ValueOf(string name) => Convert.ToDouble(ByName[name].GetValue(this), CultureInfo.InvariantCulture);

    /// <summary>What is wrong with a value of a limit; null when nothing is.</summary>
    public static string? Check(string name, double value)
    {
        var property = ByName[name];
        var range = property.GetCustomAttribute<RangeAttribute>()!;
        var (least, most) = (Convert.ToDouble(range.Minimum, CultureInfo.InvariantCulture), Convert.ToDouble(range.Maximum, CultureInfo.InvariantCulture));
        var isWhole = property.PropertyType != typeof(double);

        // The largest numbers of a double are no numbers of a long any more.
        if (isWhole) most = Math.Min(most, property.PropertyType == typeof(int) ? int.MaxValue : 1L << 53);
        return !(value >= least && value <= most) || (isWhole && value != Math.Floor(value))
            ? string.Create(CultureInfo.InvariantCulture, $"Give a {(isWhole ? "whole number" : "number")} from {least} to {most}.")
            : null;
    }

    /// <summary>These limits with those of one tenant in their places. What an older or newer Atoll stored and this one does not know is left out.</summary>
    public TenantLimits With(IEnumerable<TenantLimitOverride> overrides)
    {
        var limits = (TenantLimits)MemberwiseClone();
        foreach (var own in overrides)
        {
            if (ByName.TryGetValue(own.Name, out var property) && Check(own.Name, own.Value) is null)
                property.SetValue(limits, Convert.ChangeType(own.Value, property.PropertyType, CultureInfo.InvariantCulture));
        }
        return limits;
    }
}
