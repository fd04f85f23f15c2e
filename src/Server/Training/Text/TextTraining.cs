using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Training.Evaluation;

namespace Atoll.Training.Text;

/// <summary>Training on texts with labels.</summary>
internal sealed class TextTraining : ITrainingKind
{
    public string DatasetType => DatasetTypes.Text;

    public string SampleType => DatasetTypes.Text;

    public ParameterTable Parameters => TextOptions.Table;

    public ParameterTable ParametersOf(DatasetSchema schema) => schema.MultiLabel ? TextOptions.MultiLabelTable : TextOptions.Table;

    public string TaskOf(IReadOnlyDictionary<string, string> parameters, DatasetSchema schema) =>
        schema.MultiLabel ? TaskKinds.MultiLabelClassification : TaskKinds.Classification;

    public TrainedSamples Train(TrainingInput input, CancellationToken cancellationToken)
    {
        TextExamples Read(Split split) => input.Reader.ReadTexts(split, input.Order.RowsMax, input.Order.Seed);
        var train = Read(Split.Train).WithValidation(Read(Split.Validation));
        return new TrainedSamples(
            TextTrainer.Train(train, input.Manifest.Schema.MultiLabel, input.Settings, input.Report, cancellationToken),
            (session, signature) =>
            {
                var heldOut = Read(Split.Test);
                return ModelEvaluator.Evaluate(session, signature, heldOut, cancellationToken) with { LearnedToo = LearnedSamples.Of(train).CountIn(heldOut) };
            });
    }
}
