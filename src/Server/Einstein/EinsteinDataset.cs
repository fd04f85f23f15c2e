using Atoll.Platform.Database;

namespace Atoll.Einstein;

/// <summary>The number by which the Einstein API knows a dataset, and what that API tells of it beyond what the platform knows.</summary>
internal sealed class EinsteinDataset : ITenantOwned, IRevised
{
    public const long NumberFirst = 1_000_001;

    public string TenantId { get; set; } = "";

    /// <summary>Counts within the tenant, so that nobody learns from it how much others have. Never used again.</summary>
    public long Number { get; set; }

    /// <summary>As its owner calls it; need not be unique.</summary>
    public required string Name { get; set; }

    /// <summary>One of <see cref="EinsteinTypes"/>.</summary>
    public required string Type { get; set; }

    public required string Language { get; set; }

    /// <summary>Name of the platform's dataset.</summary>
    public string Dataset { get; set; } = "";

    /// <summary>The newest import.</summary>
    public string ImportId { get; set; } = "";

    /// <summary>The version that was there before the newest import; null when that was the first.</summary>
    public int? VersionBefore { get; set; }

    public required DateTime CreatedUtc { get; set; }

    public required DateTime UpdatedUtc { get; set; }

    /// <summary>The row stays, so that its number is not given to another dataset.</summary>
    public DateTime? DeletedUtc { get; set; }

    public int Revision { get; set; }
}

/// <summary>The id by which the Einstein API knows a model. Its platform model is named after it, so that a prediction finds it without asking the database.</summary>
internal sealed class EinsteinModel : ITenantOwned, IRevised
{
    private const string Prefix = "einstein-";

    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    /// <summary>Number of the dataset that it learned from, which may be deleted.</summary>
    public required long DatasetNumber { get; set; }

    public required string Name { get; set; }

    public required string Type { get; set; }

    public required string Language { get; set; }

    public string? Algorithm { get; set; }

    public int? Epochs { get; set; }

    public double? LearningRate { get; set; }

    /// <summary>As it was sent.</summary>
    public string? TrainParams { get; set; }

    public required DateTime CreatedUtc { get; set; }

    public int Revision { get; set; }

    /// <summary>Name of the platform's model, and of its endpoint.</summary>
    public static string ModelOf(string id) => Prefix + id.ToLowerInvariant();
}

/// <summary>An example that came by itself: added to a dataset, or fed back after a prediction. The platform's versions take it in when they are made for a training.</summary>
internal sealed class EinsteinExample : ITenantOwned
{
    /// <summary>Above the numbers of samples that came in files.</summary>
    public const long NumberFirst = 1_000_000_001;

    public string TenantId { get; set; } = "";

    /// <summary>Counts within the tenant.</summary>
    public long Number { get; set; }

    public required long DatasetNumber { get; set; }

    public required string Label { get; set; }

    public required string Name { get; set; }

    /// <summary>Of its bytes in the blob store: the image, or the text as UTF-8.</summary>
    public required string Digest { get; set; }

    /// <summary>Used in trainings only when they ask for feedback.</summary>
    public required bool IsFeedback { get; set; }

    public required DateTime CreatedUtc { get; set; }
}

/// <summary>The record of a deletion that was asked for.</summary>
internal sealed class EinsteinDeletion : ITenantOwned
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    /// <summary><c>DATASET</c> or <c>MODEL</c>.</summary>
    public required string Type { get; set; }

    public required string DeletedObjectId { get; set; }

    public required DateTime AtUtc { get; set; }
}
