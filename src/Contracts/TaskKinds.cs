namespace Atoll.Contracts;

/// <summary>What the samples of a dataset are.</summary>
public static class DatasetTypes
{
    public const string Tabular = "tabular";
    public const string Text = "text";
    public const string Image = "image";
    public const string Audio = "audio";

    /// <summary>Texts in which names are marked: persons, places, products.</summary>
    public const string Entities = "entities";
}

/// <summary>What a model reads, besides the samples of datasets.</summary>
public static class SampleTypes
{
    /// <summary>Tensors as its file declares them, over the Open Inference Protocol; only imported models do.</summary>
    public const string Tensors = "tensors";
}

/// <summary>What a model is asked to predict.</summary>
public static class TaskKinds
{
    public const string Classification = "classification";
    public const string MultiLabelClassification = "multi-label-classification";
    public const string Regression = "regression";

    /// <summary>Finds names in texts, with their places.</summary>
    public const string EntityExtraction = "entity-extraction";

    /// <summary>An imported model gives tensors, whose meaning its owner knows.</summary>
    public const string Tensors = "tensors";
}
