using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Training.Evaluation;

namespace Atoll.Training.Tabular;

/// <summary>Training on tables.</summary>
internal sealed class TabularTraining : ITrainingKind
{
    public string DatasetType => DatasetTypes.Tabular;

    public string SampleType => DatasetTypes.Tabular;

    public ParameterTable Parameters => TabularParameters.Table;

    // What a table is for is found in its target's values, unless the caller says it.
    public string? TaskOf(IReadOnlyDictionary<string, string> parameters, DatasetSchema schema) =>
        parameters.GetValueOrDefault("task") is TaskKinds.Classification or TaskKinds.Regression ? parameters["task"] : null;

    public TrainedSamples Train(TrainingInput input, CancellationToken cancellationToken)
    {
        TabularExamples Read(Split split) => input.Reader.ReadTabular(split, input.Order.Target!, targetIsClass: false, input.Order.RowsMax, input.Order.Seed);
        return new TrainedSamples(
            TabularTrainer.Train(Read(Split.Train).WithValidation(Read(Split.Validation)), input.Settings, input.Report, cancellationToken),
            (session, signature) => ModelEvaluator.Evaluate(session, signature, Read(Split.Test), cancellationToken));
    }
}
