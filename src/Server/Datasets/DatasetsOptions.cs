using System.ComponentModel.DataAnnotations;

namespace Atoll.Datasets;

/// <summary>Settings of datasets, section <c>Datasets</c>.</summary>
internal sealed class DatasetsOptions
{
    /// <summary>Imports at a time.</summary>
    [Range(1, 64)]
    public int ImportSlots { get; set; } = 2;

    /// <summary>Let tenants load data from addresses inside of the server's own network. Only where every tenant is trusted.</summary>
    public bool AllowPrivateAddresses { get; set; }

    /// <summary>How long loading from an address may take, in seconds.</summary>
    [Range(1, 86_400)]
    public int DownloadSecondsMax { get; set; } = 3600;

    /// <summary>How long a request that asks to wait for its import does so, in seconds.</summary>
    [Range(1, 600)]
    public int WaitSecondsMax { get; set; } = 90;
}
